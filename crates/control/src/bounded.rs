//! A map that forgets what is oldest in it.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Remembers values up to a total weight; the oldest give way.
pub(crate) struct Bounded<K, V> {
    most: usize,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    values: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
    weight: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Bounded<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        let state = State { values: HashMap::new(), order: VecDeque::new(), weight: 0 };
        Self { most, state: Mutex::new(state) }
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.values.get(key).map(|(value, _)| value.clone())
    }

    /// Takes a value, unless it has one under this key or the value alone is over the bound.
    pub(crate) fn insert(&self, key: K, value: V, weight: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if weight > self.most || state.values.contains_key(&key) {
            return;
        }
        state.weight += weight;
        state.order.push_back(key.clone());
        state.values.insert(key, (value, weight));
        while state.weight > self.most {
            let Some(oldest) = state.order.pop_front() else { break };
            if let Some((_, weight)) = state.values.remove(&oldest) {
                state.weight -= weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_values_give_way_to_new_ones() {
        let map = Bounded::new(10);
        map.insert("a", 1, 4);
        map.insert("b", 2, 4);
        map.insert("a", 9, 4);
        map.insert("c", 3, 4);
        map.insert("huge", 4, 11);
        assert_eq!(["a", "b", "c", "huge"].map(|key| map.get(key)), [None, Some(2), Some(3), None]);
    }
}
