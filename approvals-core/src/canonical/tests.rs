use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Serialize;

use super::*;

fn bytes<T: Serialize>(value: T) -> String {
    String::from_utf8(to_value(&value).unwrap().to_bytes()).unwrap()
}

#[test]
fn one_form_for_one_value() {
    #[derive(Serialize)]
    enum Shape {
        Dot,
        Ring(u8),
        Pair(u8, u8),
        Box { w: u8 },
    }
    let check = |got: String, want: &str| assert_eq!(got, want);
    check(bytes(()), "null");
    check(bytes((true, Some(1_u8), None::<u8>)), "[true,1,null]");
    check(bytes(u64::MAX - 1), "18446744073709551614");
    check(bytes(i64::MIN), "-9223372036854775808");
    check(bytes(1.0_f64), "1.0");
    check(bytes(-0.0_f64), "-0.0");
    check(bytes(1e21_f64), "1e+21");
    check(bytes(0.1_f32), "0.10000000149011612");
    check(
        bytes("a\"\\\u{8}\t\n\u{c}\r\u{1}é\u{202e}"),
        "\"a\\\"\\\\\\b\\t\\n\\f\\r\\u0001é\u{202e}\"",
    );
    check(bytes(Shape::Dot), "\"Dot\"");
    check(bytes(Shape::Ring(1)), r#"{"Ring":1}"#);
    check(bytes(Shape::Pair(1, 2)), r#"{"Pair":[1,2]}"#);
    check(bytes(Shape::Box { w: 1 }), r#"{"Box":{"w":1}}"#);
    check(
        bytes(BTreeMap::from([(10, 'a'), (9, 'b')])),
        r#"{"10":"a","9":"b"}"#,
    );
    // RFC 8785 §3.2.3: names sort by UTF-16 code units, so U+1F600 (D83D DE00) precedes U+FB33.
    check(
        bytes(HashMap::from([("\u{fb33}", 1), ("\u{1f600}", 2)])),
        "{\"\u{1f600}\":2,\"\u{fb33}\":1}",
    );
}

#[test]
fn threat_05_numbers_never_collapse() {
    let apart: Vec<String> = vec![
        bytes(9_007_199_254_740_992_u64),
        bytes(9_007_199_254_740_993_u64),
        bytes(9_007_199_254_740_992.0_f64),
        bytes(u64::MAX),
        bytes(u64::MAX - 1),
        bytes(1),
        bytes(1.0),
        bytes(0),
        bytes(0.0),
        bytes(-0.0),
    ];
    for (place, left) in apart.iter().enumerate() {
        assert!(
            apart.iter().skip(place + 1).all(|right| left != right),
            "{left}"
        );
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(to_value(&bad).is_err());
    }
    for wide in [i128::MAX, i128::MIN, i128::from(u64::MAX) + 1] {
        assert!(to_value(&wide).is_err(), "{wide}");
    }
    assert!(to_value(&u128::MAX).is_err());
    assert_eq!(
        parse_own(&to_value(&1e300_f64).unwrap().to_bytes()).unwrap(),
        Value::Float(1e300)
    );
}

#[test]
fn threat_06_two_readers_never_differ() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let refused: &[&str] = &[
        r#"{"to":"alice","to":"mallory"}"#,
        r#"{"to":1,"\u0074o":2}"#,
        r#""\ud800""#,
        r#"18446744073709551617"#,
        "1e400",
        "1e20",
        "NaN",
        "[1,]",
        "1 2",
        "",
        &deep,
    ];
    for text in refused {
        assert!(parse(text.as_bytes()).is_err(), "{}", clip(text));
    }
    assert!(parse(b"\"\xff\"").is_err());
    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap;
            let mut map = s.serialize_map(None)?;
            map.serialize_entry("to", "alice")?;
            map.serialize_entry("to", "mallory")?;
            map.end()
        }
    }
    assert!(to_value(&Twice).is_err());
    struct Deep(usize);
    impl Serialize for Deep {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            if self.0 == 0 {
                s.serialize_unit()
            } else {
                s.serialize_some(&[Deep(self.0 - 1)])
            }
        }
    }
    assert!(to_value(&Deep(99)).is_ok());
    assert!(to_value(&Deep(10_000)).is_err());
    assert!(to_value(&"x".repeat(MAX_BYTES)).is_err());
}

#[test]
fn threat_07_lookalikes_stay_apart() {
    let apart = [
        "rm ", "rm", "\u{e9}", "e\u{301}", "Users", "users", "а", "a",
    ];
    let forms: std::collections::BTreeSet<_> = apart.iter().map(bytes).collect();
    assert_eq!(forms.len(), apart.len());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Integer(n.into())),
        (-1e15..1e15_f64).prop_map(Value::Float),
        ".*".prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((".{0,6}", inner), 0..6).prop_map(|members| {
                let mut record = Record::new();
                for (name, value) in members {
                    let _ = record.insert(name, value);
                }
                Value::Record(record)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn names_sort_by_their_utf16_units(left in "[a-b\u{7ff}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{1f600}]{0,4}", right in "[a-b\u{7ff}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{1f600}]{0,4}") {
        prop_assert_eq!(by_utf16(&left, &right), left.encode_utf16().cmp(right.encode_utf16()));
    }

    #[test]
    fn what_is_printed_reads_back_and_prints_the_same(value in any_value()) {
        let bytes = value.to_bytes();
        let back = parse(&bytes).unwrap();
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(back.to_bytes(), bytes.clone());
        prop_assert_eq!(to_value(&value).unwrap().to_bytes(), bytes);
    }
}
