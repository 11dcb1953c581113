//! A head pin beside the store, and processes that die between the two.

use std::fs::{self, File};
use std::path::PathBuf;

use approvals_core::ledger::SignedCheckpoint;
use approvals_core::ports::HeadPin as _;
use approvals_core::{Relation, relate};
use approvals_store::FilePin;
use approvals_store::home::Home;

use super::scene::Scene;
use super::{Moments, acknowledge, inspect};

/// A scene whose home pins its head on what stands for another volume.
struct Pinned {
    scene: Scene,
    pin: PathBuf,
}

impl Pinned {
    fn new() -> Self {
        let mut scene = Scene::new();
        let volume = scene.path("volume");
        fs::create_dir(&volume).unwrap();
        let pin = volume.join("head.pin");
        let text = format!("pin = {pin:?}\n[witnesses]\nmode = \"none\"\n");
        fs::write(scene.home.paths().anchors(), text).unwrap();
        scene.home = Home::open(scene.home.path()).unwrap();
        Self { scene, pin }
    }

    /// How the pin stands to the store now, and how many records each of them covers.
    fn look(&self) -> (Relation, u64, u64) {
        let held = FilePin::new(&self.pin).read().unwrap().unwrap();
        let note = SignedCheckpoint::parse(held).unwrap();
        let pinned = note.verify(self.scene.home.vkey()).unwrap();
        let mut reader = self.scene.home.reader().unwrap();
        let head = reader.head().unwrap();
        let relation = relate(&mut *reader, &head, &pinned).unwrap();
        (relation, pinned.size, head.frontier.size())
    }
}

#[test]
fn threat_58_a_process_killed_between_batch_and_pin_ran_nothing_and_the_next_one_goes_on() {
    let place = Pinned::new();
    place.scene.run(|gate| async move { drop(gate) });
    let (relation, pinned, stored) = place.look();
    assert_eq!(
        (relation, pinned),
        (Relation::Same, stored),
        "a gate that opens pins"
    );

    // While somebody else moves the pin, a batch is in the store and not yet in the pin.
    let lock = place.pin.with_extension("pin.lock");
    let lock = File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    let mut victim = place.scene.victim(&["loop", "1"]);
    for _ in 0..2_000 {
        if place.look().2 > stored {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    victim.kill();
    let (relation, behind, ahead) = place.look();
    assert_eq!((relation, behind), (Relation::Behind, stored));
    assert!(ahead > stored, "the batch was durable");
    assert_eq!(
        place.scene.effects(),
        Vec::<String>::new(),
        "nothing ran that is not pinned"
    );
    drop(lock);

    place.scene.run(|gate| async move { drop(gate) });
    let (relation, pinned, stored) = place.look();
    assert_eq!(
        (relation, pinned),
        (Relation::Same, stored),
        "the next one made up for it"
    );
    assert!(pinned >= ahead, "and lost nothing");
}

#[test]
fn threat_58_whatever_was_acknowledged_is_pinned_however_its_process_ended() {
    let place = Pinned::new();
    let (mut moments, mut acks) = (Moments(11), std::collections::BTreeMap::new());
    for _ in 0..15 {
        let from = place.scene.from().to_string();
        let mut victim = place.scene.victim(&["loop", &from]);
        for _ in 0..moments.below(9) {
            acknowledge(&mut acks, &victim.line());
        }
        std::thread::sleep(std::time::Duration::from_micros(moments.below(9_000)));
        for line in victim.kill() {
            acknowledge(&mut acks, &line);
        }
        if place.pin.exists() {
            let (relation, pinned, _) = place.look();
            assert!(
                matches!(relation, Relation::Same | Relation::Behind),
                "{relation:?}"
            );
            let acked = acks.values().map(|(size, _)| *size).max();
            assert!(
                pinned >= acked.unwrap_or(0),
                "{pinned} are pinned of {acked:?}"
            );
        }
        place.scene.run(|gate| inspect(gate, &place.scene, &acks));
    }
    assert!(
        acks.len() > 10,
        "the victims hardly did anything: {}",
        acks.len()
    );
}
