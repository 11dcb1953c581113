//! What a channel refused before the gate could judge it, as the log tells of it.

use crate::error::Code;
use crate::id::RequestId;

/// Somebody tried to decide through a channel, which refused it by itself: it was not proven who it was, or it came
/// from where no decision counts. It changes nothing; an auditor sees that it was tried.
///
/// Only what was proven stands in it: no text of whoever tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelRefused {
    /// The channel.
    pub channel: String,
    /// Why.
    pub code: Code,
    /// The account that was proven; none when none was.
    pub identity: Option<String>,
    /// The request, when what was tried named one that only we can name.
    pub request: Option<RequestId>,
    /// How many refusals in front of this one have no record of their own: whoever tries again and again writes
    /// few records.
    pub passed_over: u64,
}

impl ChannelRefused {
    /// A refusal by this channel.
    #[must_use]
    pub fn new(channel: &str, code: Code) -> Self {
        Self {
            channel: channel.chars().take(100).collect(),
            code,
            identity: None,
            request: None,
            passed_over: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::{BootId, RecordId};
    use crate::ledger::{AuditRecord, Entry, LogEvent, Origin, Writer};

    #[test]
    fn a_refusal_on_record_reads_back() {
        let log: Origin = "example.com/log".parse().unwrap();
        let bare = ChannelRefused::new("slack", Code::SignatureInvalid);
        let whole = ChannelRefused {
            identity: Some("slack:T01:U02".to_owned()),
            request: Some(RequestId::from_bytes([7; 16])),
            passed_over: 3,
            ..ChannelRefused::new("slack:C01", Code::NotEligible)
        };
        for (refused, wanted) in [
            (
                bare,
                r#""refused":{"channel":"slack","code":"SignatureInvalid"}"#,
            ),
            (whole, r#""passed_over":3"#),
        ] {
            let record = AuditRecord {
                seq: 6,
                at: Timestamp::from_micros(100),
                id: RecordId::from_bytes([1; 16]),
                writer: Writer {
                    boot: BootId::from_bytes([2; 16]),
                    n: 0,
                },
                previous: None,
                entry: Entry::Log(LogEvent::ChannelRefused(refused)),
            };
            let bytes = record.encode(&log).unwrap();
            assert_eq!(AuditRecord::decode(&bytes, &log).unwrap(), record);
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(wanted), "{text}");
            assert!(text.contains("channel.refused"), "{text}");
            let stray = text.replace("\"refused\":", "\"text\":\"x\",\"refused\":");
            assert!(AuditRecord::decode(stray.as_bytes(), &log).is_err());
        }
    }
}
