//! What a power loss may leave: the durable state and any part of what was not synced.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::{Content, FileNode, SECTOR};
use super::tree::{Dir, Disk, Node, NodeId, ROOT, apply};
use crate::random::Random;

/// How many of eight unsynced things reach the disk; drawn once for an image, so that "none" and "all" are common.
const ODDS: [u64; 8] = [0, 1, 2, 4, 4, 6, 7, 8];

pub(super) fn image(disk: &Disk, seed: u64) -> Disk {
    let mut random = Random::seeded(seed);
    let sector_odds = draw_odds(&mut random);
    let name_odds = draw_odds(&mut random);
    let mut nodes = BTreeMap::new();
    let mut todo = vec![ROOT];
    while let Some(id) = todo.pop() {
        match (nodes.get_mut(&id), disk.nodes.get(&id)) {
            (Some(Node::File(file)), _) => file.links += 1,
            (None, Some(Node::File(file))) => {
                // Files differ in luck: one all on disk beside one that never left the cache.
                let odds = if random.one_in(4) { draw_odds(&mut random) } else { sector_odds };
                let mut found = FileNode::durable(file_image(file, &mut random, odds));
                found.links = 1;
                nodes.insert(id, Node::File(found));
            }
            (None, Some(Node::Dir(dir))) => {
                let mut entries = dir.durable.clone();
                for op in &dir.pending {
                    if random.below(8) < name_odds {
                        apply(&mut entries, op);
                    }
                }
                todo.extend(entries.values().rev());
                let found = Dir { live: entries.clone(), durable: entries, pending: Vec::new() };
                nodes.insert(id, Node::Dir(found));
            }
            _ => {}
        }
    }
    let mut image = Disk { nodes, next: disk.next, quota: disk.quota, ..Disk::default() };
    let ids: Vec<NodeId> = image.nodes.keys().copied().collect();
    for id in ids {
        image.charge(id);
    }
    image
}

fn draw_odds(random: &mut Random) -> u64 {
    ODDS[random.below(ODDS.len() as u64) as usize]
}

fn file_image(file: &FileNode, random: &mut Random, odds: u64) -> Arc<Content> {
    let Some((shortest, longest)) = file.lens else { return file.durable.clone() };
    // The length is on disk before the data, or after, or in between.
    let len = match random.below(4) {
        0 => file.durable.len(),
        1 | 2 => file.len(),
        _ => shortest + random.below(longest - shortest + 1),
    };
    let mut image = Content::clone(&file.durable);
    image.set_len(len);
    for (&sector, versions) in &file.dirty {
        let start = sector * SECTOR;
        if start >= len {
            continue;
        }
        let bytes = if random.below(8) < odds {
            match random.below(versions.len() as u64 + 3) as usize {
                older if older < versions.len() => *versions[older],
                _ => file.live.sector(sector),
            }
        } else if start >= shortest {
            match random.below(4) {
                // The space was given to the file, with what somebody else had left there.
                0 => noise(random),
                1 => file.live.sector(random.below(file.len() / SECTOR + 1)),
                _ => [0; SECTOR as usize],
            }
        } else {
            continue;
        };
        let kept = ((len - start) as usize).min(bytes.len());
        image.write(&bytes[..kept], start);
    }
    Arc::new(image)
}

fn noise(random: &mut Random) -> [u8; SECTOR as usize] {
    let mut bytes = [0; SECTOR as usize];
    random.fill(&mut bytes);
    bytes
}
