//! A document as an object, for programs without a JSON library.
//!
//! The names of fields are the Docker Engine API's, so this file never grows when a document does.

use std::ffi::{CString, c_char, c_int};
use std::sync::{Mutex, MutexGuard, PoisonError};

use barque::{Error, Result};
use serde_json::Value;

use crate::boundary;
use crate::error::{BARQUE_OK, barque_error};
use crate::handle::{self, Object};
use crate::out::Out;
use crate::{path, text};

/// A JSON document that can be built and read field by field.
///
/// A field is named by a path: names with dots between them ("HostConfig.Memory"), where a number is an element of an
/// array ("Mounts.0.Target") and "-" the place after its last ("Cmd.-"). A path with a slash in front is a JSON pointer
/// (RFC 6901), for names with dots in them: "/Labels/com.example.role". The empty path is the whole document. Setting a
/// field makes what is missing on the way to it.
///
/// Any thread may use a document; each call is atomic.
pub struct barque_doc {
    _private: [u8; 0],
}

/// There is nothing, or null.
pub const BARQUE_TYPE_NULL: c_int = 0;
/// true or false.
pub const BARQUE_TYPE_BOOL: c_int = 1;
/// A whole number that an int64_t holds.
pub const BARQUE_TYPE_INT: c_int = 2;
/// Any other number.
pub const BARQUE_TYPE_DOUBLE: c_int = 3;
/// Text.
pub const BARQUE_TYPE_STR: c_int = 4;
/// An array.
pub const BARQUE_TYPE_ARRAY: c_int = 5;
/// An object.
pub const BARQUE_TYPE_OBJECT: c_int = 6;

#[derive(Default)]
pub(crate) struct Document(Mutex<State>);

#[derive(Default)]
struct State {
    root: Value,
    /// The text that barque_doc_json lent, until the next change.
    lent: Option<CString>,
}

impl Object for Document {
    type Opaque = barque_doc;
    const KIND: (u64, &'static str) = (3, "barque_doc");
}

impl Document {
    fn of(root: Value) -> Document {
        Document(Mutex::new(State { root, lent: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(json: *const c_char, parameter: &str) -> Result<Value> {
    serde_json::from_str(text::required(json, parameter)?).map_err(|error| {
        Error::invalid(format!("{parameter} is not JSON: {error}"))
            .with_reason("bad_json")
            .about("parameter", parameter)
    })
}

/// Put a value at a path.
fn set(
    doc: *mut barque_doc,
    at: *const c_char,
    err: *mut *mut barque_error,
    value: impl FnOnce() -> Result<Value>,
) -> c_int {
    boundary::run(err, || {
        let doc = handle::get::<Document>(doc, "doc")?;
        let (at, value) = (text::required(at, "path")?, value()?);
        let mut state = doc.lock();
        *path::place(&mut state.root, at)? = value;
        state.lent = None;
        Ok(BARQUE_OK)
    })
}

/// Read a value at a path into an out-parameter.
fn get<T>(
    doc: *const barque_doc,
    at: *const c_char,
    out: *mut T,
    err: *mut *mut barque_error,
    read: impl FnOnce(&Value) -> Result<Option<T>>,
    kind: &str,
) -> c_int {
    boundary::run(err, || {
        let doc = handle::get::<Document>(doc, "doc")?;
        let at = text::required(at, "path")?;
        let out = Out::required(out, "out")?;
        let state = doc.lock();
        let value = read(path::find(&state.root, at)?)?.ok_or_else(|| {
            Error::invalid(format!("{at} is not {kind}"))
                .with_reason("wrong_type")
                .about("field", at)
        })?;
        out.set(value);
        Ok(BARQUE_OK)
    })
}

/// Make an empty document. NULL when there is no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_new() -> *mut barque_doc {
    boundary::value(std::ptr::null_mut(), || {
        handle::give(Document::of(Value::Object(<_>::default())))
    })
}

/// Make a document of JSON text.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_parse(
    json: *const c_char,
    out: *mut *mut barque_doc,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let value = parse(json, "json")?;
        let out = Out::required(out, "out")?;
        out.set(handle::give(Document::of(value))?);
        Ok(BARQUE_OK)
    })
}

/// The document as JSON text, for a call that takes one.
///
/// NULL when `doc` is none. Valid until the document is changed or freed.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_json(doc: *const barque_doc) -> *const c_char {
    boundary::value(std::ptr::null(), || {
        let doc = handle::get::<Document>(doc, "doc")?;
        let state = &mut *doc.lock();
        // A lent text is never replaced while it is valid: another thread may be reading it.
        Ok(state.lent.get_or_insert_with(|| text::terminated(&state.root.to_string())).as_ptr())
    })
}

/// Set a text.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_set_str(
    doc: *mut barque_doc,
    path: *const c_char,
    value: *const c_char,
    err: *mut *mut barque_error,
) -> c_int {
    set(doc, path, err, || Ok(text::required(value, "value")?.into()))
}

/// Set a whole number.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_set_int(
    doc: *mut barque_doc,
    path: *const c_char,
    value: i64,
    err: *mut *mut barque_error,
) -> c_int {
    set(doc, path, err, || Ok(value.into()))
}

/// Set a boolean: false when `value` is 0, else true.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_set_bool(
    doc: *mut barque_doc,
    path: *const c_char,
    value: c_int,
    err: *mut *mut barque_error,
) -> c_int {
    set(doc, path, err, || Ok((value != 0).into()))
}

/// Set a number. NaN and the infinities, which JSON has no words for, are BARQUE_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_set_double(
    doc: *mut barque_doc,
    path: *const c_char,
    value: f64,
    err: *mut *mut barque_error,
) -> c_int {
    set(doc, path, err, || {
        serde_json::Number::from_f64(value).map(Value::Number).ok_or_else(|| {
            Error::invalid(format!("value: JSON has no {value}")).about("parameter", "value")
        })
    })
}

/// Set null, which in a request is the same as no field.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_set_null(
    doc: *mut barque_doc,
    path: *const c_char,
    err: *mut *mut barque_error,
) -> c_int {
    set(doc, path, err, || Ok(Value::Null))
}

/// Set any value, given as JSON text: "[]", "{\"Name\":\"always\"}".
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_set_json(
    doc: *mut barque_doc,
    path: *const c_char,
    json: *const c_char,
    err: *mut *mut barque_error,
) -> c_int {
    set(doc, path, err, || parse(json, "json"))
}

/// Append a text to an array, which is made when it is not there.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_append_str(
    doc: *mut barque_doc,
    path: *const c_char,
    value: *const c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let doc = handle::get::<Document>(doc, "doc")?;
        let at = text::required(path, "path")?;
        let value = Value::from(text::required(value, "value")?);
        let mut state = doc.lock();
        match path::place(&mut state.root, at)? {
            Value::Array(items) => items.push(value),
            empty @ Value::Null => *empty = Value::Array(vec![value]),
            _ => {
                return Err(Error::invalid(format!("{at} is not an array"))
                    .with_reason("wrong_type")
                    .about("field", at));
            }
        }
        state.lent = None;
        Ok(BARQUE_OK)
    })
}

/// Take a field or an element away. BARQUE_ERR_NOT_FOUND when it is not there.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_remove(
    doc: *mut barque_doc,
    path: *const c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let doc = handle::get::<Document>(doc, "doc")?;
        let at = text::required(path, "path")?;
        let mut state = doc.lock();
        path::remove(&mut state.root, at)?;
        state.lent = None;
        Ok(BARQUE_OK)
    })
}

/// A text. Free it with barque_string_free.
///
/// This and the other readers: BARQUE_ERR_NOT_FOUND when the field is not there, BARQUE_ERR_INVALID_ARGUMENT when it is
/// something else.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_get_str(
    doc: *const barque_doc,
    path: *const c_char,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    get(doc, path, out, err, |value| value.as_str().map(text::give).transpose(), "a text")
}

/// A whole number.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_get_int(
    doc: *const barque_doc,
    path: *const c_char,
    out: *mut i64,
    err: *mut *mut barque_error,
) -> c_int {
    get(doc, path, out, err, |value| Ok(value.as_i64()), "a whole number")
}

/// A boolean, as 0 or 1.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_get_bool(
    doc: *const barque_doc,
    path: *const c_char,
    out: *mut c_int,
    err: *mut *mut barque_error,
) -> c_int {
    get(doc, path, out, err, |value| Ok(value.as_bool().map(c_int::from)), "a boolean")
}

/// A number, whole or not.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_get_double(
    doc: *const barque_doc,
    path: *const c_char,
    out: *mut f64,
    err: *mut *mut barque_error,
) -> c_int {
    get(doc, path, out, err, |value| Ok(value.as_f64()), "a number")
}

/// Any value, as JSON text. Free it with barque_string_free.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_get_json(
    doc: *const barque_doc,
    path: *const c_char,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    get(doc, path, out, err, |value| text::give(&value.to_string()).map(Some), "a value")
}

/// Which type a value has, BARQUE_TYPE_NULL to BARQUE_TYPE_OBJECT; BARQUE_TYPE_NULL when it is not there.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_type(doc: *const barque_doc, path: *const c_char) -> c_int {
    boundary::value(BARQUE_TYPE_NULL, || {
        let doc = handle::get::<Document>(doc, "doc")?;
        let state = doc.lock();
        Ok(match path::find(&state.root, text::required(path, "path")?)? {
            Value::Null => BARQUE_TYPE_NULL,
            Value::Bool(_) => BARQUE_TYPE_BOOL,
            Value::Number(number) if number.is_i64() => BARQUE_TYPE_INT,
            Value::Number(_) => BARQUE_TYPE_DOUBLE,
            Value::String(_) => BARQUE_TYPE_STR,
            Value::Array(_) => BARQUE_TYPE_ARRAY,
            Value::Object(_) => BARQUE_TYPE_OBJECT,
        })
    })
}

/// How many elements an array, or fields an object, has.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_count(
    doc: *const barque_doc,
    path: *const c_char,
    out: *mut usize,
    err: *mut *mut barque_error,
) -> c_int {
    let count = |value: &Value| {
        let list = value.as_array().map(Vec::len);
        Ok(list.or_else(|| value.as_object().map(serde_json::Map::len)))
    };
    get(doc, path, out, err, count, "an array or object")
}

/// The name of an object's field, by its number from 0: to walk through labels. Free it with barque_string_free.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_key(
    doc: *const barque_doc,
    path: *const c_char,
    index: usize,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    let key = |value: &Value| match value.as_object() {
        None => Ok(None),
        Some(fields) => match fields.keys().nth(index) {
            Some(name) => text::give(name).map(Some),
            None => Err(Error::not_found("field", index.to_string())),
        },
    };
    get(doc, path, out, err, key, "an object")
}

/// Free a document. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn barque_doc_free(doc: *mut barque_doc) {
    boundary::value((), || {
        handle::free::<Document>(doc);
        Ok(())
    });
}
