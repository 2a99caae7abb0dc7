//! Which call comes next.

use cairn_dev_tests::dice::Dice;

use crate::call::Call;
use crate::calls::buckets::{CreateBucket, DeleteBucket, HeadBucket, ListBuckets};
use crate::calls::delete_object::DeleteObject;
use crate::calls::list_objects::ListObjects;
use crate::calls::put_object::PutObject;
use crate::calls::read_object::ReadObject;
use crate::draw::Draw;
use crate::world::World;

/// How calls are drawn, and how often: so many times of the sum of all.
const KINDS: &[(u64, fn(&mut Draw<'_>) -> Box<dyn Call>)] = &[
    (20, |draw| Box::new(PutObject::draw(draw))),
    (22, |draw| Box::new(ReadObject::draw(draw))),
    (9, |draw| Box::new(DeleteObject::draw(draw))),
    (14, |draw| Box::new(ListObjects::draw(draw))),
    (1, |draw| Box::new(CreateBucket::draw(draw))),
    (1, |draw| Box::new(DeleteBucket::draw(draw))),
    (1, |draw| Box::new(HeadBucket::draw(draw))),
    (1, |draw| Box::new(ListBuckets::draw(draw))),
];

/// Draws the next call.
pub(crate) fn draw(world: &World, dice: &mut Dice) -> Box<dyn Call> {
    let mut draw = Draw { world, dice };
    if world.buckets.is_empty() {
        return Box::new(CreateBucket::draw(&mut draw));
    }
    let sum = KINDS.iter().map(|(weight, _)| weight).sum();
    let mut throw = draw.dice.below(sum);
    for (weight, kind) in KINDS {
        if throw < *weight {
            return kind(&mut draw);
        }
        throw -= weight;
    }
    unreachable!("a throw is below the sum of all weights")
}
