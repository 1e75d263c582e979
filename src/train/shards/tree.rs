//! The tree in whose order gradients of shards are added: a node is a range of shards, its children the halves of it.

use std::ops::Range;

/// The children of a node of at least two shards.
pub fn halves(node: &Range<usize>) -> [Range<usize>; 2] {
    let middle = node.start + node.len() / 2;
    [node.start..middle, middle..node.end]
}

/// The largest nodes of the tree under `root` that lie within `range`, in order; together they are the range.
pub fn nodes_within(root: Range<usize>, range: &Range<usize>) -> Vec<Range<usize>> {
    if root.is_empty() || root.end <= range.start || range.end <= root.start {
        return Vec::new();
    }
    if range.start <= root.start && root.end <= range.end {
        return vec![root];
    }
    halves(&root).into_iter().flat_map(|half| nodes_within(half, range)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_of_a_range_are_its_shards_in_order() {
        for count in 1..20 {
            for start in 0..count {
                for end in start + 1..=count {
                    let nodes = nodes_within(0..count, &(start..end));
                    let shards: Vec<usize> = nodes.iter().cloned().flatten().collect();
                    assert_eq!(shards, (start..end).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn few_nodes_make_up_a_range() {
        assert_eq!(nodes_within(0..8, &(0..8)), [0..8; 1]);
        assert_eq!(nodes_within(0..8, &(0..4)), [0..4; 1]);
        assert_eq!(nodes_within(0..8, &(2..5)), [2..4, 4..5]);
        assert_eq!(nodes_within(0..8, &(5..8)), [5..6, 6..8]);
        assert!(nodes_within(0..8, &(3..3)).is_empty());
    }
}
