//! `wasi:filesystem`, on the files of an invocation.
//!
//! There are no links: `link-at`, `symlink-at` and `readlink-at` say `unsupported`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::streams::{Reading, Writing};
use super::{Content, File, Node, lock, root};
use crate::state::State;

/// Where the guest finds its files.
const MOUNTED_AT: &str = "/tmp";

/// A file or directory that the guest holds open.
struct Open {
    node: Arc<Node>,
    flags: DescriptorFlags,
}

impl Open {
    fn writable(&self) -> Result<&Arc<Node>, ErrorCode> {
        match self.flags.contains(DescriptorFlags::WRITE) {
            true => Ok(&self.node),
            false => Err(ErrorCode::NotPermitted),
        }
    }

    /// A directory whose entries may be changed.
    fn mutable(&self) -> Result<&Arc<Node>, ErrorCode> {
        match self.flags.contains(DescriptorFlags::MUTATE_DIRECTORY) {
            true => Ok(&self.node),
            false => Err(ErrorCode::NotPermitted),
        }
    }
}

/// The entries of a directory that are still to be told.
struct Listing(Vec<DirectoryEntry>);

impl State {
    fn open(&self, descriptor: &Resource<Descriptor>) -> FsResult<&Open> {
        // The handle's number is the table's; the library's own type of what it stands for is not used.
        Ok(self.table.get(&Resource::<Open>::new_borrow(descriptor.rep()))?)
    }

    fn push(&mut self, node: Arc<Node>, flags: DescriptorFlags) -> FsResult<Resource<Descriptor>> {
        let open = self.table.push(Open { node, flags })?;
        Ok(Resource::new_own(open.rep()))
    }
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let quota = Arc::clone(&self.limiter.quota);
        let root = Arc::clone(self.files.get_or_insert_with(|| root(quota)));
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        let open = self.table.push(Open { node: root, flags })?;
        Ok(vec![(Resource::new_own(open.rep()), MOUNTED_AT.to_owned())])
    }
}

impl types::Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<ErrorCode>().copied())
    }
}

impl types::HostDescriptor for State {
    fn read_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        let node = Arc::clone(&self.open(&descriptor)?.node);
        node.must_be_file()?;
        let stream: DynInputStream = Box::new(Reading { node, offset });
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let node = Arc::clone(self.open(&descriptor)?.writable()?);
        node.must_be_file()?;
        let stream: DynOutputStream = Box::new(Writing { node, offset: Some(offset) });
        Ok(self.table.push(stream)?)
    }

    fn append_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let node = Arc::clone(self.open(&descriptor)?.writable()?);
        node.must_be_file()?;
        let stream: DynOutputStream = Box::new(Writing { node, offset: None });
        Ok(self.table.push(stream)?)
    }

    async fn advise(
        &mut self,
        descriptor: Resource<Descriptor>,
        _offset: Filesize,
        _length: Filesize,
        _advice: Advice,
    ) -> FsResult<()> {
        Ok(self.open(&descriptor)?.node.must_be_file()?)
    }

    async fn sync_data(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.open(&descriptor)?;
        Ok(())
    }

    async fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        Ok(self.open(&descriptor)?.flags)
    }

    async fn get_type(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorType> {
        Ok(kind(&self.open(&descriptor)?.node))
    }

    async fn set_size(&mut self, descriptor: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        Ok(self.open(&descriptor)?.writable()?.set_size(size)?)
    }

    async fn set_times(
        &mut self,
        descriptor: Resource<Descriptor>,
        _accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        set_time(&self.open(&descriptor)?.node, modified)?;
        Ok(())
    }

    async fn read(
        &mut self,
        descriptor: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let open = self.open(&descriptor)?;
        if !open.flags.contains(DescriptorFlags::READ) {
            return Err(ErrorCode::NotPermitted.into());
        }
        let bytes = open.node.read(usize::try_from(length).unwrap_or(usize::MAX), offset)?;
        let at_end = bytes.is_empty() && length > 0;
        Ok((bytes, at_end))
    }

    async fn write(
        &mut self,
        descriptor: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        Ok(self.open(&descriptor)?.writable()?.write(&bytes, Some(offset))? as u64)
    }

    async fn read_directory(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        let entries = {
            let directory = self.open(&descriptor)?.node.directory()?;
            let entries = directory.entries.iter().rev();
            let entry = |(name, entry): (&String, &super::Entry)| DirectoryEntry {
                type_: kind(&entry.node),
                name: name.clone(),
            };
            entries.map(entry).collect()
        };
        let listing = self.table.push(Listing(entries))?;
        Ok(Resource::new_own(listing.rep()))
    }

    async fn sync(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.open(&descriptor)?;
        Ok(())
    }

    async fn create_directory_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let place = self.open(&descriptor)?.mutable()?.place(&path)?;
        if place.existing().is_some() {
            return Err(ErrorCode::Exist.into());
        }
        place.make(Content::Directory(Mutex::default()))?;
        Ok(())
    }

    async fn stat(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        Ok(stat(&self.open(&descriptor)?.node))
    }

    async fn stat_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        Ok(stat(&*self.open(&descriptor)?.node.find(&path)?))
    }

    async fn set_times_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
        _accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        set_time(&*self.open(&descriptor)?.mutable()?.find(&path)?, modified)?;
        Ok(())
    }

    async fn link_at(
        &mut self,
        _descriptor: Resource<Descriptor>,
        _old_flags: PathFlags,
        _old_path: String,
        _new_descriptor: Resource<Descriptor>,
        _new_path: String,
    ) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn open_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let base = self.open(&descriptor)?;
        let mut flags = flags;
        let changes = how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
            || flags.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY);
        if changes {
            base.mutable()?;
        }
        let node = match base.node.find(&path) {
            Ok(_) if how.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => {
                return Err(ErrorCode::Exist.into());
            }
            Ok(node) => node,
            Err(ErrorCode::NoEntry)
                if how.contains(OpenFlags::CREATE) && !how.contains(OpenFlags::DIRECTORY) =>
            {
                let place = base.node.place(&path)?;
                if place.of_directory {
                    return Err(ErrorCode::IsDirectory.into());
                }
                place.make(Content::File(Mutex::new(File::default())))?
            }
            Err(error) => return Err(error.into()),
        };
        if how.contains(OpenFlags::DIRECTORY) && !node.is_directory() {
            return Err(ErrorCode::NotDirectory.into());
        }
        if node.is_directory()
            && (flags.contains(DescriptorFlags::WRITE) || how.contains(OpenFlags::TRUNCATE))
        {
            return Err(ErrorCode::IsDirectory.into());
        }
        if how.contains(OpenFlags::TRUNCATE) {
            node.set_size(0)?;
        }
        if node.is_directory() {
            // Programs open directories to read them, and change what is in them all the same.
            flags |= base.flags & DescriptorFlags::MUTATE_DIRECTORY;
        }
        self.push(node, flags)
    }

    async fn readlink_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<String> {
        self.open(&descriptor)?.node.find(&path)?;
        // Nothing here is a link (readlink(2): EINVAL).
        Err(ErrorCode::Invalid.into())
    }

    async fn remove_directory_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        Ok(self.open(&descriptor)?.mutable()?.place(&path)?.remove_directory()?)
    }

    async fn rename_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        old_path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let from = self.open(&descriptor)?.mutable()?.place(&old_path)?;
        let to = self.open(&new_descriptor)?.mutable()?.place(&new_path)?;
        Ok(from.rename(&to)?)
    }

    async fn symlink_at(
        &mut self,
        _descriptor: Resource<Descriptor>,
        _target: String,
        _path: String,
    ) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn unlink_file_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        Ok(self.open(&descriptor)?.mutable()?.place(&path)?.remove_file()?)
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let find = |descriptor: &Resource<Descriptor>| {
            self.table.get(&Resource::<Open>::new_borrow(descriptor.rep()))
        };
        Ok(Arc::ptr_eq(&find(&one)?.node, &find(&other)?.node))
    }

    async fn metadata_hash(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<MetadataHashValue> {
        Ok(hash(&self.open(&descriptor)?.node))
    }

    async fn metadata_hash_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        Ok(hash(&*self.open(&descriptor)?.node.find(&path)?))
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Open>::new_own(descriptor.rep()))?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for State {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = Resource::<Listing>::new_borrow(stream.rep());
        Ok(self.table.get_mut(&listing)?.0.pop())
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

fn kind(node: &Node) -> DescriptorType {
    match node.is_directory() {
        true => DescriptorType::Directory,
        false => DescriptorType::RegularFile,
    }
}

fn stat(node: &Node) -> DescriptorStat {
    let modified = datetime(*lock(&node.modified));
    DescriptorStat {
        type_: kind(node),
        link_count: 1,
        size: node.size(),
        data_access_timestamp: modified,
        data_modification_timestamp: modified,
        status_change_timestamp: modified,
    }
}

/// The same for as long as the object stays as it is.
fn hash(node: &Node) -> MetadataHashValue {
    let modified = lock(&node.modified).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    MetadataHashValue { lower: node.id, upper: modified.as_nanos() as u64 ^ node.size() }
}

fn datetime(time: SystemTime) -> Option<Datetime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
}

fn set_time(node: &Node, time: NewTimestamp) -> Result<(), ErrorCode> {
    match time {
        NewTimestamp::NoChange => {}
        NewTimestamp::Now => node.touch(),
        NewTimestamp::Timestamp(Datetime { seconds, nanoseconds }) => {
            let since = Duration::from_secs(seconds)
                .checked_add(Duration::from_nanos(nanoseconds.into()))
                .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
            *lock(&node.modified) = since.ok_or(ErrorCode::Overflow)?;
        }
    }
    Ok(())
}
