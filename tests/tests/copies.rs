//! Copies of a request: each is on record, comes back to its channel, and outlives a restart.

mod support;

use std::sync::{Arc, Mutex};

use approvals_core::ports::{Delivery, Notice, Notifier, NotifyError};
use approvals_core::{Gate, RequestId, Status, Vote};
use async_trait::async_trait;

use support::house::House;
use support::people::{account, review};
use support::{Effects, ask, bot};

/// Posts one copy for each place where it has none, and redraws the others.
#[derive(Debug, Clone, Default)]
struct Board {
    places: Vec<&'static str>,
    drawn: Arc<Mutex<Vec<(Status, Vec<String>)>>>,
}

impl Board {
    fn with(places: &[&'static str]) -> Self {
        Self {
            places: places.to_vec(),
            ..Self::default()
        }
    }

    fn drawn(&self) -> Vec<(Status, Vec<String>)> {
        self.drawn.lock().unwrap().clone()
    }
}

#[async_trait]
impl Notifier for Board {
    fn name(&self) -> &str {
        "board"
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        let known = notice.copies().iter().map(|copy| copy.place.clone());
        let drawn = (notice.card.status, known.collect());
        self.drawn.lock().unwrap().push(drawn);
        Ok(self.places.iter().copied().map(Delivery::to).collect())
    }
}

async fn places(gate: &Gate, request: RequestId) -> Vec<String> {
    let copies = gate.copies(request, "board").await.unwrap();
    copies.into_iter().map(|copy| copy.place).collect()
}

#[tokio::test(start_paused = true)]
async fn every_copy_comes_back_after_a_restart() {
    let board = Board::with(&["C1/1.1", "C2/1.2"]);
    let house = House::new().channel(board.clone());
    let gate = house.open().await;
    let request = ask(&gate, bot(), &Effects::default()).await;
    assert_eq!(board.drawn(), [(Status::Pending, vec![])]);
    drop(gate);

    let gate = house.open().await;
    assert_eq!(places(&gate, request).await, ["C1/1.1", "C2/1.2"]);
    assert_eq!(gate.copies(request, "other").await.unwrap(), []);
    let card = gate.card(request).await.unwrap();
    let no = review(account("test", "", "u_1"), &card, Vote::Deny);
    gate.review(no).await.unwrap();
    gate.deliver().await.unwrap();
    let last = board.drawn().pop().unwrap();
    let known = vec!["C1/1.1".to_owned(), "C2/1.2".to_owned()];
    assert_eq!(last, (Status::Denied, known));
    // Drawing a copy again does not make a second one of it.
    assert_eq!(places(&gate, request).await, ["C1/1.1", "C2/1.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_shows_nothing_has_no_copies_and_is_not_asked_again() {
    let board = Board::with(&[]);
    let gate = House::new().channel(board.clone()).open().await;
    let request = ask(&gate, bot(), &Effects::default()).await;
    assert_eq!(places(&gate, request).await, [""; 0]);
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(gate.deliver().await.unwrap(), 0);
    assert_eq!(board.drawn().len(), 1);
}
