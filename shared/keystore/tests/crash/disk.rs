//! A model of a disk, fed by the record of `record.c`.
//!
//! Kept: what fsync or fdatasync confirmed. Of the rest, any version of any 4 KiB page may be on
//! the disk or not; the length of a file may be any it had since its last sync; creations, renames
//! and removals are kept in their order (a journal), at least up to the last fsync of anything.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const PAGE: usize = 4096;

/// One entry of the record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) op: u8,
    pub(crate) inode: u64,
    pub(crate) offset: u64,
    pub(crate) payload: Vec<u8>,
}

/// Reads a record file.
pub(crate) fn parse(log: &[u8]) -> Vec<Record> {
    let (mut records, mut rest) = (Vec::new(), log);
    while rest.len() >= 25 {
        let number = |at: usize| u64::from_ne_bytes(rest[at..at + 8].try_into().unwrap());
        let length = number(17) as usize;
        let payload = rest[25..25 + length].to_vec();
        records.push(Record {
            op: rest[0],
            inode: number(1),
            offset: number(9),
            payload,
        });
        rest = &rest[25 + length..];
    }
    assert!(rest.is_empty(), "the record ends inside an entry");
    records
}

#[derive(Debug, Default, Clone)]
struct File {
    synced: Vec<u8>,
    current: Vec<u8>,
    /// Versions of each page since the last sync, oldest first.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Lengths since the last sync, oldest first.
    lengths: Vec<usize>,
}

impl File {
    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if end > self.current.len() {
            self.current.resize(end, 0);
            self.lengths.push(end);
        }
        self.current[offset..end].copy_from_slice(data);
        self.touch(offset, end);
    }

    fn truncate(&mut self, length: usize) {
        let old = self.current.len();
        self.current.resize(length, 0);
        self.lengths.push(length);
        self.touch(length.min(old), length.max(old));
    }

    /// Notes the pages that hold `from..to` as they are now.
    fn touch(&mut self, from: usize, to: usize) {
        for page in from / PAGE..to.div_ceil(PAGE) {
            let start = (page * PAGE).min(self.current.len());
            let end = (start + PAGE).min(self.current.len());
            let mut version = self.current[start..end].to_vec();
            version.resize(PAGE, 0);
            self.dirty.entry(page).or_default().push(version);
        }
    }

    fn sync(&mut self) {
        self.synced.resize(self.current.len(), 0);
        for page in self.dirty.keys() {
            let start = (page * PAGE).min(self.current.len());
            let end = (start + PAGE).min(self.current.len());
            self.synced[start..end].copy_from_slice(&self.current[start..end]);
        }
        self.dirty.clear();
        self.lengths.clear();
    }

    fn image(&self, luck: Luck, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut image = self.synced.clone();
        match luck {
            Luck::Nothing => {}
            Luck::Everything => image.clone_from(&self.current),
            Luck::Some => {
                let pick = rng.random_range(0..=self.lengths.len());
                let length = pick
                    .checked_sub(1)
                    .map_or(image.len(), |pick| self.lengths[pick]);
                image.resize(length, 0);
                for (page, versions) in &self.dirty {
                    let pick = rng.random_range(0..=versions.len());
                    let (start, end) = (page * PAGE, ((page + 1) * PAGE).min(length));
                    if pick > 0 && start < end {
                        image[start..end].copy_from_slice(&versions[pick - 1][..end - start]);
                    }
                }
            }
        }
        image
    }
}

/// What becomes of unsynced data.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Nothing,
    Some,
    Everything,
}

#[derive(Debug, Clone)]
enum Name {
    Create(PathBuf, usize),
    Mkdir(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// The disk at some point of the record.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Which file an inode number means now; numbers are used again.
    inodes: HashMap<u64, usize>,
    names: Vec<Name>,
    /// How many of `names` are certainly on the disk.
    names_synced: usize,
}

impl Disk {
    pub(crate) fn apply(&mut self, record: &Record) {
        let path = || PathBuf::from(String::from_utf8(record.payload.clone()).unwrap());
        match record.op {
            b'C' => {
                self.files.push(File::default());
                self.inodes.insert(record.inode, self.files.len() - 1);
                self.names.push(Name::Create(path(), self.files.len() - 1));
            }
            b'M' => self.names.push(Name::Mkdir(path())),
            b'R' => {
                let text = String::from_utf8(record.payload.clone()).unwrap();
                let (from, to) = text.split_once('\0').unwrap();
                self.names.push(Name::Rename(from.into(), to.into()));
            }
            b'U' => self.names.push(Name::Remove(path())),
            b'W' => self
                .file(record)
                .write(record.offset as usize, &record.payload),
            b'T' => self.file(record).truncate(record.offset as usize),
            b'D' => self.file(record).sync(),
            b'S' => {
                // Directories have no file here; syncing one syncs the names.
                if let Some(&file) = self.inodes.get(&record.inode) {
                    self.files[file].sync();
                }
                self.names_synced = self.names.len();
            }
            b'A' => {}
            other => panic!("record of unknown kind {other}"),
        }
    }

    fn file(&mut self, record: &Record) -> &mut File {
        let file = self
            .inodes
            .get(&record.inode)
            .expect("a file is created before it is used");
        &mut self.files[*file]
    }

    /// Builds one of the disks that a power cut may leave, below `target` instead of `root`.
    pub(crate) fn cut(&self, root: &Path, target: &Path, rng: &mut ChaCha8Rng) {
        let luck = match rng.random_range(0..5) {
            0 => Luck::Nothing,
            1 => Luck::Everything,
            _ => Luck::Some,
        };
        let names = match luck {
            Luck::Nothing => self.names_synced,
            Luck::Everything => self.names.len(),
            Luck::Some => rng.random_range(self.names_synced..=self.names.len()),
        };
        let mut tree: BTreeMap<PathBuf, Option<usize>> = BTreeMap::new();
        for name in &self.names[..names] {
            match name.clone() {
                Name::Create(path, file) => drop(tree.insert(path, Some(file))),
                Name::Mkdir(path) => drop(tree.insert(path, None)),
                Name::Remove(path) => drop(tree.remove(&path)),
                Name::Rename(from, to) => {
                    let moved: Vec<PathBuf> = tree
                        .keys()
                        .filter(|path| path.starts_with(&from))
                        .cloned()
                        .collect();
                    for path in moved {
                        let entry = tree.remove(&path).unwrap();
                        let rest = path.strip_prefix(&from).unwrap();
                        let place = if rest.as_os_str().is_empty() {
                            to.clone()
                        } else {
                            to.join(rest)
                        };
                        tree.insert(place, entry);
                    }
                }
            }
        }
        for (path, entry) in tree {
            let place = target.join(path.strip_prefix(root).unwrap());
            match entry {
                None => fs::create_dir(place).unwrap(),
                Some(file) => fs::write(place, self.files[file].image(luck, rng)).unwrap(),
            }
        }
    }
}
