//! Private keys that OpenSSH writes shorter than the library that reads them expects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::id::wipe;

/// The same P-256 key with its scalar in full length; none when that is not what is wrong with it.
///
/// OpenSSH leaves out leading zeros of a scalar, so that one key in five hundred is a byte shorter than the others,
/// and `ssh-key` reads those of full length only.
pub(super) fn padded(private_key: &str) -> Option<String> {
    let lines = private_key
        .lines()
        .filter(|line| !line.starts_with("-----"));
    let mut bytes = STANDARD.decode(lines.collect::<String>()).ok()?;
    let again = rewritten(&bytes);
    wipe(&mut bytes);
    let mut again = again?;
    let encoded = STANDARD.encode(&again);
    wipe(&mut again);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(LINE)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    Some(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
}

fn rewritten(file: &[u8]) -> Option<Vec<u8>> {
    let mut rest = file.strip_prefix(MAGIC)?;
    let open = string(&mut rest)? == b"none";
    let (_, _) = (string(&mut rest)?, string(&mut rest)?);
    let (count, mut rest) = rest.split_first_chunk()?;
    let public = string(&mut rest)?;
    let mut block = string(&mut rest)?;
    if !open || u32::from_be_bytes(*count) != 1 {
        return None;
    }
    let (checks, _) = block.split_first_chunk::<8>()?;
    block = block.get(checks.len()..)?;
    let (kind, curve) = (string(&mut block)?, string(&mut block)?);
    let (point, scalar, comment) = (
        string(&mut block)?,
        string(&mut block)?,
        string(&mut block)?,
    );
    let short = SCALAR
        .checked_sub(scalar.len())
        .filter(|short| *short > 0)?;
    if kind != KIND {
        return None;
    }
    let mut private = checks.to_vec();
    for part in [kind, curve, point] {
        push(&mut private, part)?;
    }
    push(&mut private, &[&vec![0; short], scalar].concat())?;
    push(&mut private, comment)?;
    let padding =
        (1_u8..).take_while(|n| usize::from(*n) <= (BLOCK - private.len() % BLOCK) % BLOCK);
    let padding: Vec<u8> = padding.collect();
    private.extend(padding);
    let mut again = MAGIC.to_vec();
    for part in [b"none".as_slice(), b"none", b""] {
        push(&mut again, part)?;
    }
    again.extend(1_u32.to_be_bytes());
    push(&mut again, public)?;
    push(&mut again, &private)?;
    wipe(&mut private);
    Some(again)
}

/// Takes a length and so many bytes.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(part)
}

fn push(into: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    into.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
    into.extend_from_slice(part);
    Some(())
}

const MAGIC: &[u8] = b"openssh-key-v1\0";
const KIND: &[u8] = b"ecdsa-sha2-nistp256";
const SCALAR: usize = 32;
const BLOCK: usize = 8;
const LINE: usize = 70;
const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use ssh_key::PrivateKey;

    use super::*;

    /// A key of 31 bytes, made by OpenSSH for this test.
    const SHORT: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQQ8uRY4mufNKiIc34WFDbeIw4QhCkiA
lKZV/RC4CmGXCOjP5TNFJFAF19J5ZDMISr7o3bzu1iYxmiX82uWaqm5mAAAAmDhZKyA4WS
sgAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDy5Fjia580qIhzf
hYUNt4jDhCEKSICUplX9ELgKYZcI6M/lM0UkUAXX0nlkMwhKvujdvO7WJjGaJfza5Zqqbm
YAAAAfXF3s+kvuOdb9SS8ipUyhU3q4PcnI3eMGFay2l2h9oAAAAAAB
-----END OPENSSH PRIVATE KEY-----\n";

    const ITS_PUBLIC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDy5Fjia580qIhzfhYUNt4jDhCEKSICUplX9ELgKYZcI6M/lM0UkUAXX0nlkMwhKvujdvO7WJjGaJfza5ZqqbmY=";

    #[test]
    fn a_key_that_begins_with_a_zero_byte_is_read() {
        let again = padded(SHORT).unwrap();
        let key = PrivateKey::from_openssh(&again).unwrap();
        assert_eq!(key.public_key().to_openssh().unwrap(), ITS_PUBLIC);
        assert_eq!(padded(&again), None, "it is of full length now");
        for other in ["", "nonsense", BEGIN, &SHORT.replace("AAAA", "AAAB")] {
            assert_eq!(padded(other), None, "{other}");
        }
    }
}
