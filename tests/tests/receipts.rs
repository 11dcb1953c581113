//! Receipts for those who asked and those who decided: each proves exactly what its holder did.

mod support;

use std::time::Duration;

use approvals_core::ledger::{Entry, LedgerKey, Receipt, VerifiedReceipt, Verifier};
use approvals_core::lifecycle::Event;
use approvals_core::testing::TestGate;
use approvals_core::{
    Agent, ApprovalError, Code, Gate, RequestId, Status, Vote, requires_approval,
};
use approvals_store::home::{Home, OldKey, Starter};
use approvals_store::sqlite::SqliteReader;
use approvals_store::tiles::{self, Tiles};
use rusqlite::Connection;
use support::disk::Disk;
use support::house::House;
use support::trap::Lasting;
use tempfile::TempDir;

#[requires_approval(scope = "db.read", reason = "read {table}")]
async fn read(table: &str) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

#[requires_approval(scope = "db.drop")]
async fn drop_table(table: &str) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

fn bot() -> Agent {
    Agent::new("bot").on_behalf_of("u_alice")
}

const AUTO: &str = "[[rule]]\nid = \"reads\"\nscope = \"db.read\"\neffect = \"auto\"\n";

fn home() -> (TempDir, Home) {
    let directory = TempDir::new().unwrap();
    let people = "version = 1\n[[person]]\nid = \"u_alice\"\ngroups = [\"approvers\"]\n";
    let starter = Starter::new("test.invalid/receipts".parse().unwrap());
    let policy = format!(
        "version = 1\nmemory = {{ deny = \"0s\" }}\ndefault = {{ require = [{{ group = \"approvers\" }}] }}\n{AUTO}"
    );
    let starter = starter.people(people).policy(policy);
    let home = Home::create(directory.path().join("home"), starter).unwrap();
    (directory, home)
}

async fn reads(gate: &Gate, times: usize) {
    for number in 0..times {
        gate.enter(bot(), read(&format!("table {number}")))
            .await
            .unwrap();
    }
}

fn proven(receipt: &Receipt, gate: &Gate) -> VerifiedReceipt {
    let read = Receipt::parse(receipt.to_string()).unwrap();
    assert_eq!(read, *receipt);
    read.verify(gate.journal().vkey()).unwrap()
}

fn kinds(receipts: &[Receipt], gate: &Gate) -> Vec<String> {
    let kind = |receipt| proven(receipt, gate).record().kind().to_owned();
    receipts.iter().map(kind).collect()
}

/// A request of an agent that does not wait.
async fn pending(gate: &Gate) -> RequestId {
    let work = drop_table("users");
    let error = gate
        .enter(bot().wait(Duration::ZERO), work)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Pending);
    error.request().unwrap()
}

#[tokio::test]
async fn every_record_of_a_stored_log_has_a_receipt_that_outlives_it() {
    let (_directory, home) = home();
    let gate = home.gate().unwrap().open().await.unwrap();
    // More than a tile of records.
    reads(&gate, 70).await;
    let size = gate.journal().verify().await.unwrap().records;
    assert!(size > 256, "{size}");
    let mut kept = Vec::new();
    for seq in 0..size {
        kept.push(gate.journal().receipt(seq).await.unwrap());
    }
    reads(&gate, 10).await;
    for (seq, receipt) in (0..).zip(&kept) {
        let old = proven(receipt, &gate);
        assert_eq!((old.record().seq, old.head().size), (seq, size));
        // The same record under a later head.
        let new = gate.journal().receipt(seq).await.unwrap();
        let new = proven(&new, &gate);
        assert_eq!(new.bytes(), old.bytes());
        assert!(new.head().size > size);
    }
    for beyond in [size + 1_000, u64::MAX] {
        let error = gate.journal().receipt(beyond).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }
    let stranger = LedgerKey::generate().unwrap().vkey(home.origin());
    assert!(kept[0].verify(&stranger).is_err());
}

#[tokio::test]
async fn threat_56_a_store_that_was_changed_gives_no_receipt() {
    let (directory, home) = home();
    let gate = home.gate().unwrap().open().await.unwrap();
    reads(&gate, 70).await;
    drop(gate);
    let zeros = "zeroblob(32)";
    // Record 260 is the one that needs the subtree over the 256 before it.
    for (what, seq, change) in [
        ("nothing", 3, String::new()),
        ("nothing", 260, String::new()),
        (
            "a record",
            3,
            "UPDATE records SET bytes = CAST('{}' AS BLOB) WHERE seq = 3".to_owned(),
        ),
        (
            "a leaf",
            3,
            format!("UPDATE records SET leaf = {zeros} WHERE seq = 2"),
        ),
        (
            "a neighbour",
            3,
            "DELETE FROM records WHERE seq = 2".to_owned(),
        ),
        ("itself", 3, "DELETE FROM records WHERE seq = 3".to_owned()),
        (
            "a subtree",
            260,
            format!("UPDATE subtrees SET hash = {zeros}"),
        ),
        ("every subtree", 260, "DELETE FROM subtrees".to_owned()),
        (
            "the head",
            3,
            "UPDATE head SET note = replace(note, '—', '-')".to_owned(),
        ),
        (
            "the whole head",
            3,
            "UPDATE head SET note = NULL".to_owned(),
        ),
    ] {
        let copy = directory.path().join(format!("{what}-{seq}.db"));
        let database = Connection::open(home.paths().database()).unwrap();
        let sql = "VACUUM INTO ?1";
        database.execute(sql, [copy.to_str().unwrap()]).unwrap();
        let triggers =
            "DROP TRIGGER records_are_never_changed; DROP TRIGGER records_are_never_deleted;";
        let database = Connection::open(&copy).unwrap();
        database
            .execute_batch(&format!("{triggers} {change}"))
            .unwrap();
        let mut reader = SqliteReader::open(&copy).unwrap();
        match approvals_core::receipt(&mut reader, home.vkey(), seq) {
            Ok(receipt) => {
                assert_eq!(what, "nothing");
                assert_eq!(receipt.verify(home.vkey()).unwrap().record().seq, seq);
            }
            Err(error) => assert_eq!(
                (what != "nothing", error.code()),
                (true, Code::AuditTampered),
                "{what}: {error}"
            ),
        }
    }
}

#[tokio::test]
async fn a_receipt_that_cannot_be_read_is_no_receipt() {
    let disk = Disk::threaded();
    let house = House::new().disk(&disk).rules(AUTO);
    let gate = house.open().await;
    reads(&gate, 3).await;
    gate.journal().receipt(2).await.unwrap();
    for step in ["head", "records", "leaves"] {
        disk.trap().arm(step, 0, Lasting::Once);
        let error = gate.journal().receipt(2).await.unwrap_err();
        assert_eq!(error.code(), Code::StoreUnavailable, "{step}: {error}");
        disk.trap().disarm();
    }
}

#[tokio::test]
async fn an_approver_gets_the_receipt_of_exactly_their_review() {
    let gate = TestGate::script().require(2).stall("*").start().await;
    let request = pending(gate.gate()).await;
    let mut kept = Vec::new();
    for person in ["u_tester_1", "u_tester_2"] {
        let tally = gate
            .decide(person, request, Vote::Approve, None)
            .await
            .unwrap();
        kept.push((person, tally.record));
        assert_eq!(tally.status == Status::Approved, person == "u_tester_2");
    }
    // A denial after the approval is a review, too.
    let tally = gate
        .decide("u_tester_3", request, Vote::Deny, Some("no"))
        .await
        .unwrap();
    kept.push(("u_tester_3", tally.record));
    for (person, record) in kept {
        let receipt = gate.gate().receipt_of(request, record).await.unwrap();
        let proven = proven(&receipt, gate.gate());
        let Entry::Request(of, Event::Reviewed(review)) = &proven.record().entry else {
            panic!("{} is not a review", proven.record().kind());
        };
        assert_eq!((*of, review.person.as_str()), (request, person));
    }
    let newest = gate.gate().receipt(request).await.unwrap();
    assert_eq!(kinds(&[newest], gate.gate()), ["request.denied"]);
    // A record of the log, and of another request, is none of this one.
    let other = pending(gate.gate()).await;
    let first = gate.gate().journal().history(other).await.unwrap()[0].seq;
    for record in [0, first, u64::MAX] {
        let error = gate.gate().receipt_of(request, record).await.unwrap_err();
        assert_eq!(
            (error.code(), error.request()),
            (Code::NotFound, Some(request))
        );
    }
    let nobody = gate.gate().receipt(RequestId::from_bytes([9; 16])).await;
    assert_eq!(nobody.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_requester_gets_the_receipts_of_what_was_asked_inside() {
    let gate = TestGate::script()
        .approve("db.read")
        .deny("db.drop", "no")
        .start()
        .await;
    let gate = gate.gate();
    let inside = async {
        read("one").await?;
        let (two, inner) = gate.enter_with_receipts(bot(), read("two")).await;
        assert_eq!(
            kinds(&inner.unwrap(), gate),
            ["outcome.succeeded"],
            "its own alone"
        );
        assert_eq!(drop_table("users").await.unwrap_err().code(), Code::Denied);
        two
    };
    let (output, receipts) = gate.enter_with_receipts(bot(), inside).await;
    assert_eq!(output.unwrap(), 3);
    let receipts = receipts.unwrap();
    let expected = ["outcome.succeeded", "outcome.succeeded", "request.denied"];
    assert_eq!(kinds(&receipts, gate), expected);
    let mut requests: Vec<_> = receipts
        .iter()
        .map(|receipt| proven(receipt, gate).record().request())
        .collect();
    requests.dedup();
    assert_eq!(requests.len(), 3, "each request once");

    let (_, none) = gate.enter_with_receipts(bot(), async {}).await;
    assert!(none.unwrap().is_empty());
}

#[tokio::test]
async fn receipts_are_those_of_the_own_gate() {
    let (one, other) = (TestGate::approving(), TestGate::approving());
    let (one, other) = (one.gate(), other.gate());
    let inside = async {
        read("here").await?;
        other.enter(bot(), read("there")).await
    };
    let (output, receipts) = one.enter_with_receipts(bot(), inside).await;
    assert_eq!(output.unwrap(), 5);
    assert_eq!(kinds(&receipts.unwrap(), one), ["outcome.succeeded"]);
}

#[tokio::test]
async fn what_was_given_up_inside_has_its_receipt_and_a_lost_store_keeps_the_output() {
    let gate = TestGate::script().stall("*").start().await;
    let gate = gate.gate();
    let impatient = async {
        let moment = Duration::from_millis(20);
        tokio::time::timeout(moment, read("slow")).await.is_err()
    };
    let (gave_up, receipts) = gate.enter_with_receipts(bot(), impatient).await;
    assert!(gave_up);
    assert_eq!(kinds(&receipts.unwrap(), gate), ["request.cancelled"]);

    let disk = Disk::threaded();
    let gate = House::new().disk(&disk).rules(AUTO).open().await;
    let inside = async {
        let output = read("users").await;
        disk.trap().arm("leaves", 0, Lasting::Forever);
        output
    };
    let (output, receipts) = gate.enter_with_receipts(bot(), inside).await;
    assert_eq!(output.unwrap(), 5);
    assert_eq!(receipts.unwrap_err().code(), Code::StoreUnavailable);
}

#[tokio::test]
async fn receipts_and_tiles_outlive_the_key_that_signed_them() {
    let (directory, home) = home();
    let tiles = directory.path().join("tiles");
    let gate = home.gate().unwrap().open().await.unwrap();
    reads(&gate, 3).await;
    let old = gate.journal().receipt(4).await.unwrap();
    drop(gate);
    let export = || {
        let mut reader = SqliteReader::open(home.paths().database()).unwrap();
        tiles::export(&mut reader, home.vkey(), &tiles).unwrap()
    };
    let size = export().size;
    home.rotate_key(OldKey::Keep).await.unwrap();
    let gate = home.gate().unwrap().open().await.unwrap();
    reads(&gate, 3).await;
    let new = gate.journal().receipt(4).await.unwrap();
    assert_eq!(export().from, size, "the export goes on under the new key");
    let keys = gate.journal().keys().await.unwrap();
    for receipt in [&old, &new] {
        assert_eq!(receipt.verify_by(&keys).unwrap().record().seq, 4);
    }
    // The key that began the log verifies what it signed, and nothing later.
    assert!(old.verify(home.vkey()).is_ok() && new.verify(home.vkey()).is_err());
    // Whoever pinned that key follows the log from it, past both receipts.
    let mut verifier = Verifier::new(home.vkey().clone());
    for receipt in [old, new] {
        verifier = verifier.knowing(receipt.head().clone());
    }
    let read = Tiles::open(&tiles).unwrap().verify(verifier).unwrap();
    assert!(read.passed(), "{:?}", read.report.findings);
}
