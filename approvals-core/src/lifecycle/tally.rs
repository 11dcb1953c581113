//! Counting: which people meet which quorum, each person once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::event::Reviewed;
use super::state::RequestState;
use crate::id::{GroupName, PersonId};
use crate::policy::{Quorum, Requirement};
use crate::principal::Assurance;
use crate::request::Progress;
use crate::review::Vote;

/// Whether the approvals meet every quorum with distinct people; if so, who they are. `waited` says
/// how long people have had, after which others may stand in.
///
/// One person fills one seat, however many groups the person is in ([NIST AC-3(2)] dual
/// authorization counts people). Seats are given by augmenting paths, so that a person who fits
/// two groups is put where nobody else can stand.
///
/// [NIST AC-3(2)]: https://csrc.nist.gov/projects/cprt/catalog#/cprt/framework/version/SP_800_53_5_1_1/home?element=AC-03-02
#[must_use]
pub fn distinct_enough(
    requirement: &Requirement,
    waited: Duration,
    reviews: &[Reviewed],
) -> Option<Vec<PersonId>> {
    let voters = voters(reviews, waited);
    let seats = seats(requirement);
    let taken = assign(&seats, &voters)?;
    let people: BTreeSet<_> = taken
        .into_iter()
        .filter_map(|voter| voters.get(voter))
        .map(|voter| voter.person.clone())
        .collect();
    // INVARIANT: as many people as seats; a second look at what the assignment promises.
    (people.len() == seats.len() && !seats.is_empty()).then(|| people.into_iter().collect())
}

/// Who counts for which group so far, for people to read.
#[must_use]
pub(super) fn progress(
    requirement: &Requirement,
    state: &RequestState,
    reviews: &[Reviewed],
) -> Vec<Progress> {
    let voters = voters(reviews, state.waited());
    let row = |quorum: &Quorum| {
        let have = voters
            .iter()
            .filter(|voter| voter.fits(quorum))
            .map(|voter| voter.person.clone())
            .collect();
        let mut progress = Progress::new(quorum.group.clone(), quorum.need.get(), have);
        progress.assurance = quorum.assurance;
        for (group, after) in quorum.others() {
            if after <= state.waited() {
                progress.also.push(group.clone());
            } else {
                let from = state.asked_at().after(after);
                progress.later.push((group.clone(), from));
            }
        }
        progress
    };
    requirement.quorums().iter().map(row).collect()
}

struct Voter<'a> {
    person: &'a PersonId,
    groups: &'a BTreeSet<GroupName>,
    assurance: Assurance,
    waited: Duration,
}

impl Voter<'_> {
    fn fits(&self, quorum: &Quorum) -> bool {
        quorum.is_open_to(self.groups, self.waited) && self.assurance >= quorum.assurance
    }
}

fn voters(reviews: &[Reviewed], waited: Duration) -> Vec<Voter<'_>> {
    let mut voters: Vec<Voter<'_>> = Vec::new();
    for review in reviews.iter().filter(|review| review.vote == Vote::Approve) {
        if voters.iter().all(|have| *have.person != review.person) {
            voters.push(Voter {
                person: &review.person,
                groups: &review.groups,
                assurance: review.assurance,
                waited,
            });
        }
    }
    voters
}

fn seats(requirement: &Requirement) -> Vec<&Quorum> {
    requirement
        .quorums()
        .iter()
        .flat_map(|quorum| std::iter::repeat_n(quorum, quorum.need.get().into()))
        .collect()
}

/// For each seat the voter in it, or nothing when a seat stays empty.
fn assign(seats: &[&Quorum], voters: &[Voter<'_>]) -> Option<Vec<usize>> {
    let mut seat_of: Vec<Option<usize>> = vec![None; voters.len()];
    for seat in 0..seats.len() {
        let mut seen = vec![false; voters.len()];
        if !take(seat, seats, voters, &mut seat_of, &mut seen) {
            return None;
        }
    }
    (0..seats.len())
        .map(|seat| seat_of.iter().position(|have| *have == Some(seat)))
        .collect()
}

fn take(
    seat: usize,
    seats: &[&Quorum],
    voters: &[Voter<'_>],
    seat_of: &mut Vec<Option<usize>>,
    seen: &mut Vec<bool>,
) -> bool {
    let Some(quorum) = seats.get(seat) else {
        return false;
    };
    for (place, voter) in voters.iter().enumerate() {
        if !voter.fits(quorum) || seen.get(place).copied().unwrap_or(true) {
            continue;
        }
        if let Some(mark) = seen.get_mut(place) {
            *mark = true;
        }
        let free = match seat_of.get(place).copied().flatten() {
            None => true,
            // Somebody sits there: can that seat be given to another person?
            Some(other) => take(other, seats, voters, seat_of, seen),
        };
        if free {
            if let Some(slot) = seat_of.get_mut(place) {
                *slot = Some(seat);
            }
            return true;
        }
    }
    false
}
