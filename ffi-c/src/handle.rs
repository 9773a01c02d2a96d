//! What the opaque pointers are: numbers that name a row of a table, never addresses.
//!
//! A pointer that C gives back may have been freed, belong to another type, or be any number at all. Reading through it to
//! find out is already too late, so nothing is read: the number holds the row, its generation and its type, and
//! is looked up. A freed handle is then an error and not a use after free, and a handle freed while another thread is
//! inside a call on it dies when that call returns. Its upper bits make it an address that no process can have.
//!
//! After a fork the child starts with an empty table: SQLite forbids to carry an open database across fork(2), and the lock
//! of the parent's table may be held by a thread that the child does not have.

use std::any::Any;
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use barque::{Error, ErrorKind, Result};

/// Something a handle can name.
pub(crate) trait Object: Any + Send + Sync {
    /// The type that C knows.
    type Opaque;
    /// Its number, 1 to 7, and its name.
    const KIND: (u64, &'static str);
}

// From the lowest bit: type 3, row 24, fork epoch 5, generation 28, mark 4. The mark makes the address non-canonical on
// x86-64 (also with five-level paging) and on arm64.
const ROW_BITS: u32 = 24;
const EPOCH_BITS: u32 = 5;
const GENERATION_BITS: u32 = 28;
const MARK: u64 = 0x6;
const _: () = assert!(usize::BITS == 64, "handles need 64-bit pointers");

struct Parts {
    kind: u64,
    row: usize,
    epoch: u64,
    generation: u64,
}

impl Parts {
    fn join(&self) -> u64 {
        let mut bits = MARK;
        bits = bits << GENERATION_BITS | self.generation;
        bits = bits << EPOCH_BITS | self.epoch;
        bits = bits << ROW_BITS | self.row as u64;
        bits << 3 | self.kind
    }

    fn split(mut bits: u64) -> Option<Parts> {
        let mut take = |width: u32| {
            let part = bits & ((1 << width) - 1);
            bits >>= width;
            part
        };
        let kind = take(3);
        let row = take(ROW_BITS) as usize;
        let epoch = take(EPOCH_BITS);
        let generation = take(GENERATION_BITS);
        (bits == MARK && kind != 0).then_some(Parts { kind, row, epoch, generation })
    }
}

#[derive(Default)]
struct Row {
    generation: u64,
    object: Option<Arc<dyn Any + Send + Sync>>,
}

#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    free: Vec<usize>,
}

struct Table {
    pid: u32,
    epoch: u64,
    /// Living [`ForkGuard`]s of this process.
    guards: AtomicUsize,
    /// The parent had some when it forked.
    inherited: bool,
    rows: RwLock<Rows>,
}

/// The table of this process. Never freed: a thread may be inside it at any time, exit included.
static TABLE: AtomicPtr<Table> = AtomicPtr::new(std::ptr::null_mut());

fn table() -> &'static Table {
    let pid = std::process::id();
    loop {
        let current = TABLE.load(Ordering::Acquire);
        // SAFETY: null or a table that was leaked below and is never freed.
        let before = unsafe { current.as_ref() };
        if let Some(table) = before
            && table.pid == pid
        {
            return table;
        }
        let fresh = Box::into_raw(Box::new(Table {
            pid,
            epoch: before.map_or(0, |table| (table.epoch + 1) % (1 << EPOCH_BITS)),
            guards: AtomicUsize::new(0),
            inherited: before
                .is_some_and(|table| table.inherited || table.guards.load(Ordering::Acquire) > 0),
            rows: RwLock::default(),
        }));
        if TABLE.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: it was made above and nobody else has seen it.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

/// Lives as long as something that must not be carried across a fork.
pub(crate) struct ForkGuard(&'static Table);

impl ForkGuard {
    /// Fails in a process that was forked while its parent had one.
    pub(crate) fn new() -> Result<ForkGuard> {
        let table = table();
        if table.inherited {
            return Err(forked());
        }
        table.guards.fetch_add(1, Ordering::AcqRel);
        Ok(ForkGuard(table))
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        self.0.guards.fetch_sub(1, Ordering::AcqRel);
    }
}

fn forked() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "this process was forked from one that has an engine open: open it after the fork, or exec",
    )
    .with_reason("forked")
}

/// Name an object.
pub(crate) fn give<T: Object>(object: T) -> Result<*mut T::Opaque> {
    let table = table();
    let mut rows = table.rows.write().unwrap_or_else(PoisonError::into_inner);
    let row = match rows.free.pop() {
        Some(row) => row,
        None if rows.rows.len() < 1 << ROW_BITS => {
            rows.rows.push(Row::default());
            rows.rows.len() - 1
        }
        None => return Err(Error::new(ErrorKind::ResourceExhausted, "too many handles are open")),
    };
    let place = &mut rows.rows[row];
    place.object = Some(Arc::new(object));
    let parts = Parts { kind: T::KIND.0, row, epoch: table.epoch, generation: place.generation };
    Ok(std::ptr::without_provenance_mut::<c_void>(parts.join() as usize).cast())
}

/// The object a handle names. `parameter` is what the header calls it.
pub(crate) fn get<T: Object>(handle: *const T::Opaque, parameter: &str) -> Result<Arc<T>> {
    let parts = parts_of::<T>(handle, parameter)?;
    let rows = table().rows.read().unwrap_or_else(PoisonError::into_inner);
    rows.rows
        .get(parts.row)
        .filter(|row| row.generation == parts.generation)
        .and_then(|row| row.object.clone())
        .and_then(|object| object.downcast::<T>().ok())
        .ok_or_else(|| bad(parameter, format!("{parameter} was freed already")))
}

/// The object a handle that may be NULL names.
pub(crate) fn maybe<T: Object>(
    handle: *const T::Opaque,
    parameter: &str,
) -> Result<Option<Arc<T>>> {
    if handle.is_null() { Ok(None) } else { get(handle, parameter).map(Some) }
}

/// Forget a name. The object is dropped when the last call on it returns. Anything that is not a live handle is let be.
pub(crate) fn free<T: Object>(handle: *mut T::Opaque) {
    let Ok(parts) = parts_of::<T>(handle, "handle") else { return };
    let object = {
        let mut rows = table().rows.write().unwrap_or_else(PoisonError::into_inner);
        let Some(row) = rows.rows.get_mut(parts.row) else { return };
        if row.generation != parts.generation {
            return;
        }
        let Some(object) = row.object.take() else { return };
        row.generation = (row.generation + 1) % (1 << GENERATION_BITS);
        rows.free.push(parts.row);
        object
    };
    // Outside the lock: closing an engine takes its time.
    drop(object);
}

/// Whether an address is one of ours, and so none that free(3) may get.
pub(crate) fn is_handle<T>(address: *const T) -> bool {
    Parts::split(address.addr() as u64).is_some()
}

fn parts_of<T: Object>(handle: *const T::Opaque, parameter: &str) -> Result<Parts> {
    if handle.is_null() {
        return Err(null(parameter));
    }
    let parts = Parts::split(handle.addr() as u64)
        .ok_or_else(|| bad(parameter, format!("{parameter} is not a handle of barque's")))?;
    if parts.kind != T::KIND.0 {
        return Err(bad(parameter, format!("{parameter} is not a {}", T::KIND.1)));
    }
    if parts.epoch != table().epoch {
        return Err(forked());
    }
    Ok(parts)
}

/// The error for a NULL where none may be.
pub(crate) fn null(parameter: &str) -> Error {
    Error::invalid(format!("{parameter} is NULL")).with_reason("null").about("parameter", parameter)
}

fn bad(parameter: &str, message: String) -> Error {
    Error::invalid(message).with_reason("bad_handle").about("parameter", parameter)
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
