//! Looks at the end of a log before anything is added to it.

use crate::digest::PolicyDigest;
use crate::envelope::{EnvelopeError, Vault};
use crate::error::{ApprovalError, Code};
use crate::ledger::{
    AuditRecord, Entry, Frontier, KeyChain, LogEvent, SignedCheckpoint, StoredRecord, leaf_hash,
};
use crate::ports::{Head, Reader, Store};

use super::seal::lost;
use super::{Opening, keys, store_error};

/// At least this many of the last records are looked at again.
const TAIL: u64 = 256;

/// How many records are read at a time.
const PAGE_OF_RECORDS: u64 = 1_024;

/// How many records about the log itself are read at a time.
const PAGE: usize = 64;

/// And never more than this many, so that opening stays quick.
const MOST: u64 = 65_536;

/// Refuses a log whose head is not signed by the key in force, or whose last records are not the
/// ones that were signed, and a store that is sealed under another disclosure key; looks further
/// with `then`, and gives the keys of the log. Writes nothing.
pub(super) fn check<T>(
    store: &mut dyn Store,
    opening: &Opening,
    vault: &Vault,
    then: impl FnOnce(&mut dyn Reader, &Head) -> Result<T, ApprovalError>,
) -> Result<(KeyChain, T), ApprovalError> {
    // Inside a transaction: what others write meanwhile is not taken for damage.
    let head = store.begin().map_err(store_error)?;
    let verdict = check_keys(store, &head, opening).and_then(|keys| {
        check_tail(store, &head, &keys)?;
        check_seal(&head, vault)?;
        Ok((keys, then(store, &head)?))
    });
    store.rollback();
    verdict
}

fn check_keys(
    store: &mut dyn Store,
    head: &Head,
    opening: &Opening,
) -> Result<KeyChain, ApprovalError> {
    let genesis = match &opening.genesis {
        Some(pinned) => pinned.clone(),
        None => keys::genesis(store, head, opening.signer.vkey())?,
    };
    let keys = keys::follow(store, head, &genesis)?;
    let begun = head.frontier.size() > 0;
    if let (false, Some(recovery)) = (begun, &opening.recovery) {
        let first = LogEvent::Genesis {
            vkey: genesis,
            recovery: Some(recovery.clone()),
        };
        let fits = keys.clone().apply(0, &first);
        fits.map_err(|fault| ApprovalError::new(Code::Misuse, fault.to_string()))?;
    }
    if begun && opening.recovery.is_some() && keys.recovery() != opening.recovery.as_ref() {
        return Err(tampered(
            "its first record names another recovery key than the one that belongs to it",
        ));
    }
    Ok(keys)
}

fn check_seal(head: &Head, vault: &Vault) -> Result<(), ApprovalError> {
    let Some(key) = head.disclosure_key else {
        return Ok(());
    };
    vault.seal_with(key).map_err(|error| match error {
        EnvelopeError::UnknownKey(_) => {
            let message = format!(
                "the store is sealed under disclosure key `{key}` and this gate holds `{}`; restore the keys that belong to this store, or, if that key was destroyed after an erasure, a newer backup of the store",
                vault.seals_with()
            );
            ApprovalError::new(Code::AuditUnavailable, message)
        }
        other => lost(&other),
    })
}

fn check_tail(store: &mut dyn Store, head: &Head, keys: &KeyChain) -> Result<(), ApprovalError> {
    let size = head.frontier.size();
    if !store.records(size, 1).map_err(store_error)?.is_empty() {
        return Err(tampered(&format!(
            "there are records from number {size} on that no checkpoint covers"
        )));
    }
    if size == 0 {
        return Ok(());
    }
    if store.is_durable() {
        check_note(head, keys)?;
    }
    check_records(store, &head.frontier)?;
    check_policy(store, head, keys)
}

fn check_note(head: &Head, keys: &KeyChain) -> Result<(), ApprovalError> {
    let note = head
        .note
        .as_deref()
        .ok_or_else(|| tampered("it has records and no signed checkpoint"))?;
    let note = SignedCheckpoint::parse(note).map_err(|error| tampered(&error.to_string()))?;
    let signed = keys
        .verify(&note)
        .map_err(|fault| tampered(&fault.to_string()))?;
    if signed.size != head.frontier.size() || signed.root != head.frontier.root() {
        return Err(tampered(
            "the signed checkpoint is not about the records that are there",
        ));
    }
    Ok(())
}

/// Hashes the smallest subtrees at the right edge again, until enough records are covered.
fn check_records(store: &mut dyn Store, frontier: &Frontier) -> Result<(), ApprovalError> {
    let mut end = frontier.size();
    let mut covered = 0;
    for peak in frontier.peaks().iter().rev() {
        let width = 1_u64 << end.trailing_zeros();
        if covered >= TAIL {
            break;
        }
        if covered + width > MOST {
            // Too wide to hash whole: its last records must at least be the ones that were hashed.
            return check_leaves(store, end.saturating_sub(TAIL), end);
        }
        let from = end - width;
        let mut subtree = Frontier::new();
        while subtree.size() < width {
            let place = from + subtree.size();
            let left = width - subtree.size();
            let page = usize::try_from(left.min(PAGE_OF_RECORDS)).unwrap_or(1);
            let records = store.records(place, page).map_err(store_error)?;
            if records.is_empty() {
                break;
            }
            for (place, stored) in (place..).zip(records) {
                if stored.seq != place || leaf_hash(&stored.bytes) != stored.leaf {
                    return Err(tampered(&format!(
                        "record {place} is missing or is not the one that was written"
                    )));
                }
                subtree.push(stored.leaf);
            }
        }
        if subtree.size() != width || subtree.root() != *peak {
            return Err(tampered(&format!(
                "records {from} to {} do not hash to what was signed",
                end - 1
            )));
        }
        covered += width;
        end = from;
    }
    Ok(())
}

fn check_leaves(store: &mut dyn Store, from: u64, end: u64) -> Result<(), ApprovalError> {
    let count = usize::try_from(end - from).unwrap_or(usize::MAX);
    let records = store.records(from, count).map_err(store_error)?;
    let sound = |(place, stored): (u64, &StoredRecord)| {
        stored.seq == place && leaf_hash(&stored.bytes) == stored.leaf
    };
    if records.len() == count && (from..).zip(&records).all(sound) {
        return Ok(());
    }
    Err(tampered(&format!(
        "records {from} to {} are not the ones that were written",
        end - 1
    )))
}

/// The policy in force is what the log says; the copy in the head only saves looking for it.
fn check_policy(store: &mut dyn Store, head: &Head, keys: &KeyChain) -> Result<(), ApprovalError> {
    let mut before = head.frontier.size();
    loop {
        let page = store.log_records(before, PAGE).map_err(store_error)?;
        let Some(oldest) = page.last() else {
            return same_policy(head, None);
        };
        before = oldest.seq;
        for stored in &page {
            let record = AuditRecord::decode(&stored.bytes, keys.genesis().name())
                .map_err(|error| tampered(&error.to_string()))?;
            if matches!(&record.entry, Entry::Log(event) if event.is_about_keys())
                && !keys.records().contains(&stored.seq)
            {
                return Err(tampered(&format!(
                    "record {} is about keys and the store does not say so",
                    stored.seq
                )));
            }
            if let Entry::Log(LogEvent::PolicyLoaded {
                version, digest, ..
            }) = record.entry
            {
                return same_policy(head, Some((version, digest)));
            }
        }
    }
}

fn same_policy(head: &Head, logged: Option<(u64, PolicyDigest)>) -> Result<(), ApprovalError> {
    if head.policy == logged {
        return Ok(());
    }
    Err(tampered(
        "the policy in force is not the last one that the log says was loaded",
    ))
}

fn tampered(what: &str) -> ApprovalError {
    let message = format!(
        "the log does not verify: {what}; it is left untouched as evidence, run `approvals verify` and restore from a backup that verifies"
    );
    ApprovalError::new(Code::AuditTampered, message)
}
