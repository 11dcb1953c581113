//! Cedar turns on serde_json's `preserve_order` for the whole program: no byte that is digested or
//! recorded may change with it, or two processes of one log would not agree.

use approvals_core::ledger::AuditRecord;
use approvals_core::testing::TestGate;
use approvals_core::{Agent, ApprovalError, canonical, inventory_json, requires_approval};
use serde_json::{Map, Value, json};

#[requires_approval(
    scope = "db.export",
    reason = "export {table}",
    resource = "table {table}",
    redact(token)
)]
async fn export(table: String, options: Value, token: String) -> Result<usize, ApprovalError> {
    Ok(table.len() + token.len() + usize::from(options.is_null()))
}

/// The canonical form by another way: members sorted by UTF-16 code units, by hand.
fn sorted(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(sorted).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<u16>>());
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), sorted(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

fn unsorted() -> Value {
    json!({ "z": 1, "a": { "y": [{ "c": null, "b": true }], "x": "é" }, "\u{fb33}": 1, "\u{1f600}": 2, "A": "2" })
}

#[test]
fn the_feature_is_on_in_this_program() {
    let mut map = Map::new();
    map.insert("b".to_owned(), Value::Null);
    map.insert("a".to_owned(), Value::Null);
    let names: Vec<&String> = map.keys().collect();
    assert_eq!(
        names,
        ["b", "a"],
        "this file tests nothing without `preserve_order`"
    );
}

#[test]
fn values_have_the_same_bytes_in_any_order() {
    let value = unsorted();
    let bytes = canonical::to_value(&value).unwrap().to_bytes();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), sorted(&value));
    assert_eq!(canonical::to_bytes(&value).unwrap(), bytes);
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "{\"A\":\"2\",\"a\":{\"x\":\"é\",\"y\":[{\"b\":true,\"c\":null}]},\"z\":1,\"\u{1f600}\":2,\"\u{fb33}\":1}"
    );
}

#[tokio::test(start_paused = true)]
async fn records_are_sorted_and_read_back_byte_for_byte() {
    let gate = TestGate::approving();
    let agent = Agent::new("bot")
        .on_behalf_of("u_alice")
        .model("m-1")
        .rationale("because");
    let call = export("users".to_owned(), unsorted(), "s3cr3t".to_owned());
    gate.enter(agent, call).await.unwrap();
    let journal = gate.gate().journal();
    let stored = journal
        .read(|reader| reader.records(0, usize::MAX))
        .await
        .unwrap();
    assert!(stored.len() >= 5, "asked, reviewed, approved, used, ended");
    for stored in stored {
        let text = String::from_utf8(stored.bytes.clone()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text, sorted(&value));
        let record = AuditRecord::decode(&stored.bytes, journal.log()).unwrap();
        assert_eq!(
            record.encode(journal.log()).unwrap(),
            stored.bytes,
            "{text}"
        );
    }
}

#[test]
fn the_inventory_lists_members_in_one_order() {
    let listed = inventory_json();
    let members = [
        "file", "function", "line", "params", "schema", "scope", "version",
    ];
    let places = members.map(|member| listed.find(&format!("\"{member}\": ")).unwrap());
    assert!(places.is_sorted(), "{listed}");
}
