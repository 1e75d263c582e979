//! Records why the module stopped. A panic and a failed allocation both end in a trap, which JavaScript sees only as
//! "unreachable"; so each leaves a message here, which can still be read after the trap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use wasm_bindgen::prelude::*;

use super::{Thrown, to_js};
use crate::error::Error;

/// The standard library's allocator, which records the size of a failed allocation: WebAssembly's memory ends at 4 GiB,
/// and the browser may give less.
struct Noting;

/// Size of the failed allocation in bytes; 0 while every allocation has succeeded.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

fn noted(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        REFUSED.store(size, Relaxed);
    }
    pointer
}

// SAFETY: every call is forwarded to the standard library's allocator.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        noted(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        noted(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        noted(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Records a panic's message, beside the console's report of it.
pub(super) fn note_panics() {
    std::panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
        console_error_panic_hook::hook(info);
    }));
}

/// Returns why the module stopped, as an error of the crate; undefined if nothing was recorded.
#[wasm_bindgen(js_name = stopReason, unchecked_return_type = "Error | undefined")]
pub fn stop_reason() -> Thrown<JsValue> {
    let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    let error = match (REFUSED.load(Relaxed), panic) {
        // A collection that would exceed 2 GiB panics before it allocates.
        (0, Some(reason)) if reason.contains("capacity overflow") => Error::OutOfMemory { bytes: 1 << 31 },
        (0, Some(reason)) => Error::Internal { reason },
        (0, None) => return Ok(JsValue::UNDEFINED),
        (bytes, _) => Error::OutOfMemory { bytes: bytes as u64 },
    };
    to_js(&error)
}
