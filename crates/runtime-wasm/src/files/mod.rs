//! A file system in memory: an invocation's `/tmp`, which is there at no cost until it is used and gone
//! with the invocation.

mod host;
mod streams;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::SystemTime;

use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use crate::quota::{Quota, Share};

/// Files are kept in pieces of this size, so that one that grows is not copied and a hole costs nothing.
const PIECE: usize = 16 << 10;
/// Most bytes that one call reads or writes: the thread is everybody's.
const MOST_AT_ONCE: usize = 1 << 20;
/// What a file or directory takes of the quota beside its content and its name.
const ENTRY: u64 = 512;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 255;

type Name = String;

/// A file or a directory.
pub(crate) struct Node {
    /// Tells it from all others of this file system.
    id: u64,
    content: Content,
    modified: Mutex<SystemTime>,
    tree: Arc<Tree>,
}

enum Content {
    File(Mutex<File>),
    Directory(Mutex<Directory>),
}

/// What all nodes share.
struct Tree {
    quota: Arc<Quota>,
    ids: AtomicU64,
}

#[derive(Default)]
struct File {
    size: u64,
    pieces: Vec<Option<Box<[u8; PIECE]>>>,
    held: Vec<Share>,
}

#[derive(Default)]
struct Directory {
    entries: BTreeMap<Name, Entry>,
    /// Where `..` leads; nowhere from the root.
    parent: Weak<Node>,
    /// It was removed: nothing can be made in it any more.
    gone: bool,
}

impl Drop for Directory {
    /// One after the other: a tree as deep as a guest can make it would not fit onto the stack.
    fn drop(&mut self) {
        let mut rest: Vec<Entry> = std::mem::take(&mut self.entries).into_values().collect();
        while let Some(Entry { node, .. }) = rest.pop() {
            if let Some(Node { content: Content::Directory(directory), .. }) = Arc::into_inner(node)
            {
                let mut directory = directory.into_inner().unwrap_or_else(|e| e.into_inner());
                rest.extend(std::mem::take(&mut directory.entries).into_values());
            }
        }
    }
}

struct Entry {
    node: Arc<Node>,
    _share: Share,
}

/// Where a path leads: the directory that holds, or would hold, its last name.
struct Place {
    directory: Arc<Node>,
    name: Name,
    /// It ended in a slash, so only a directory may be there.
    of_directory: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// An empty root directory whose content counts against a quota.
pub(crate) fn root(quota: Arc<Quota>) -> Arc<Node> {
    let tree = Arc::new(Tree { quota, ids: AtomicU64::new(0) });
    Node::new(tree, Content::Directory(Mutex::default()))
}

impl Node {
    fn new(tree: Arc<Tree>, content: Content) -> Arc<Self> {
        let id = tree.ids.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, content, modified: Mutex::new(SystemTime::now()), tree })
    }

    fn touch(&self) {
        *lock(&self.modified) = SystemTime::now();
    }

    fn file(&self) -> Result<MutexGuard<'_, File>, ErrorCode> {
        match &self.content {
            Content::File(file) => Ok(lock(file)),
            Content::Directory(_) => Err(ErrorCode::IsDirectory),
        }
    }

    fn directory(&self) -> Result<MutexGuard<'_, Directory>, ErrorCode> {
        match &self.content {
            Content::Directory(directory) => Ok(lock(directory)),
            Content::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    fn must_be_file(&self) -> Result<(), ErrorCode> {
        self.file().map(drop)
    }

    fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory(_))
    }

    fn size(&self) -> u64 {
        self.file().map_or(0, |file| file.size)
    }

    /// Reads from an offset. Nothing is its end.
    fn read(&self, length: usize, offset: u64) -> Result<Vec<u8>, ErrorCode> {
        let file = self.file()?;
        let left = file.size.saturating_sub(offset);
        let length = (length.min(MOST_AT_ONCE) as u64).min(left) as usize;
        let mut read = vec![0; length];
        let mut done = 0;
        while done < length {
            let (piece, at, take) = within(offset + done as u64, length - done);
            if let Some(Some(bytes)) = file.pieces.get(piece) {
                read[done..done + take].copy_from_slice(&bytes[at..at + take]);
            }
            done += take;
        }
        Ok(read)
    }

    /// Writes at an offset, or at the end; how many bytes it took.
    fn write(&self, bytes: &[u8], offset: Option<u64>) -> Result<usize, ErrorCode> {
        let mut file = self.file()?;
        let offset = offset.unwrap_or(file.size);
        let bytes = &bytes[..bytes.len().min(MOST_AT_ONCE)];
        let end = offset.checked_add(bytes.len() as u64).ok_or(ErrorCode::FileTooLarge)?;
        if end > self.tree.quota.disk() {
            return Err(ErrorCode::InsufficientSpace);
        }
        let mut done = 0;
        while done < bytes.len() {
            let (piece, at, take) = within(offset + done as u64, bytes.len() - done);
            match file.piece(piece, &self.tree.quota) {
                Ok(content) => content[at..at + take].copy_from_slice(&bytes[done..done + take]),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            done += take;
            file.size = file.size.max(offset + done as u64);
        }
        drop(file);
        self.touch();
        Ok(done)
    }

    fn set_size(&self, size: u64) -> Result<(), ErrorCode> {
        let mut file = self.file()?;
        if size > self.tree.quota.disk() {
            return Err(ErrorCode::InsufficientSpace);
        }
        if size < file.size {
            let kept = (size as usize).div_ceil(PIECE);
            file.pieces.truncate(kept);
            // What lies behind the end reads as zeros should it grow again.
            let within = size as usize % PIECE;
            if within > 0
                && let Some(Some(last)) = file.pieces.get_mut(kept - 1)
            {
                last[within..].fill(0);
            }
            let held = file.pieces.iter().flatten().count();
            file.held.truncate(held);
        }
        file.size = size;
        drop(file);
        self.touch();
        Ok(())
    }

    /// The node that a path leads to, from this directory. It never leads out of it.
    fn find(self: &Arc<Self>, path: &str) -> Result<Arc<Node>, ErrorCode> {
        let mut node = Arc::clone(self);
        let mut depth = 0_usize;
        check(path)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !node.is_directory() {
                return Err(ErrorCode::NotDirectory);
            }
            let next = match name {
                "." => continue,
                ".." => {
                    depth = depth.checked_sub(1).ok_or(ErrorCode::NotPermitted)?;
                    node.directory()?.parent.upgrade()
                }
                name => {
                    depth += 1;
                    node.directory()?.entries.get(name).map(|entry| Arc::clone(&entry.node))
                }
            };
            node = next.ok_or(ErrorCode::NoEntry)?;
        }
        if path.ends_with('/') && !node.is_directory() {
            return Err(ErrorCode::NotDirectory);
        }
        Ok(node)
    }

    fn place(self: &Arc<Self>, path: &str) -> Result<Place, ErrorCode> {
        let trimmed = path.trim_end_matches('/');
        let (directory, name) = trimmed.rsplit_once('/').unwrap_or((".", trimmed));
        check(path)?;
        if matches!(name, "" | "." | "..") {
            return Err(ErrorCode::Invalid);
        }
        let found = self.find(if directory.is_empty() { "." } else { directory })?;
        drop(found.directory()?);
        let of_directory = trimmed.len() < path.len();
        Ok(Place { directory: found, name: name.to_owned(), of_directory })
    }

    /// Whether this is `other`, or below it.
    fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mut at = Some(Arc::clone(self));
        while let Some(node) = at {
            if Arc::ptr_eq(&node, other) {
                return true;
            }
            at = node.directory().ok().and_then(|directory| directory.parent.upgrade());
        }
        false
    }
}

impl Place {
    fn existing(&self) -> Option<Arc<Node>> {
        let directory = self.directory.directory().ok()?;
        directory.entries.get(&self.name).map(|entry| Arc::clone(&entry.node))
    }

    /// Makes an empty node there.
    fn make(&self, content: Content) -> Result<Arc<Node>, ErrorCode> {
        let tree = &self.directory.tree;
        let share = tree.quota.take(ENTRY + self.name.len() as u64)?;
        let node = Node::new(Arc::clone(tree), content);
        if let Content::Directory(made) = &node.content {
            lock(made).parent = Arc::downgrade(&self.directory);
        }
        let mut directory = self.directory.directory()?;
        if directory.gone {
            return Err(ErrorCode::NoEntry);
        }
        let entry = Entry { node: Arc::clone(&node), _share: share };
        directory.entries.insert(self.name.clone(), entry);
        drop(directory);
        self.directory.touch();
        Ok(node)
    }

    fn remove(&self) -> Result<Option<Entry>, ErrorCode> {
        let entry = self.directory.directory()?.entries.remove(&self.name);
        self.directory.touch();
        Ok(entry)
    }

    fn remove_file(&self) -> Result<(), ErrorCode> {
        match self.existing() {
            None => Err(ErrorCode::NoEntry),
            Some(node) if node.is_directory() => Err(ErrorCode::IsDirectory),
            Some(_) if self.of_directory => Err(ErrorCode::NotDirectory),
            Some(_) => self.remove().map(drop),
        }
    }

    fn remove_directory(&self) -> Result<(), ErrorCode> {
        let node = self.existing().ok_or(ErrorCode::NoEntry)?;
        {
            let mut directory = node.directory()?;
            if !directory.entries.is_empty() {
                return Err(ErrorCode::NotEmpty);
            }
            directory.gone = true;
        }
        self.remove().map(drop)
    }

    /// Moves what is here to another place, over what is there (rename(2)).
    fn rename(&self, to: &Place) -> Result<(), ErrorCode> {
        let node = self.existing().ok_or(ErrorCode::NoEntry)?;
        if !node.is_directory() && (self.of_directory || to.of_directory) {
            return Err(ErrorCode::NotDirectory);
        }
        match to.existing() {
            Some(there) if Arc::ptr_eq(&there, &node) => return Ok(()),
            _ if node.is_directory() && to.directory.is_within(&node) => {
                return Err(ErrorCode::Invalid);
            }
            Some(there) if there.is_directory() && !node.is_directory() => {
                return Err(ErrorCode::IsDirectory);
            }
            Some(there) if !there.is_directory() && node.is_directory() => {
                return Err(ErrorCode::NotDirectory);
            }
            Some(there) if there.is_directory() => to.remove_directory()?,
            Some(_) => to.remove_file()?,
            None if to.directory.directory()?.gone => return Err(ErrorCode::NoEntry),
            None => {}
        }
        let Some(entry) = self.remove()? else { return Err(ErrorCode::NoEntry) };
        if let Content::Directory(moved) = &node.content {
            lock(moved).parent = Arc::downgrade(&to.directory);
        }
        to.directory.directory()?.entries.insert(to.name.clone(), entry);
        to.directory.touch();
        Ok(())
    }
}

impl File {
    /// A piece that can be written.
    fn piece(&mut self, index: usize, quota: &Arc<Quota>) -> Result<&mut [u8; PIECE], ErrorCode> {
        if self.pieces.len() <= index {
            self.pieces.resize_with(index + 1, || None);
        }
        let piece = &mut self.pieces[index];
        if piece.is_none() {
            self.held.push(quota.take(PIECE as u64)?);
        }
        Ok(piece.get_or_insert_with(|| Box::new([0; PIECE])))
    }
}

/// Which piece an offset is in, where in it, and how much of a length lies in it.
fn within(offset: u64, length: usize) -> (usize, usize, usize) {
    let (piece, at) = ((offset / PIECE as u64) as usize, (offset % PIECE as u64) as usize);
    (piece, at, length.min(PIECE - at))
}

/// Refuses what is no relative path (wasi:filesystem/types, "descriptor": paths are relative).
fn check(path: &str) -> Result<(), ErrorCode> {
    if path.is_empty() {
        return Err(ErrorCode::NoEntry);
    }
    if path.starts_with('/') {
        return Err(ErrorCode::NotPermitted);
    }
    if path.contains('\0') {
        return Err(ErrorCode::Invalid);
    }
    if path.split('/').any(|name| name.len() > LONGEST_NAME) {
        return Err(ErrorCode::NameTooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
