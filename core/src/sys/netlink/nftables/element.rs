//! Elements of sets and maps, as the kernel is told of them and tells of them.

use super::super::message::{Attributes, Message, attributes};
use super::{LIST_ELEMENT, Table, VALUE, message, value};

/// `NFTA_SET_ELEM_KEY`, `NFTA_SET_ELEM_DATA`, `NFTA_SET_ELEM_FLAGS`.
const KEY: u16 = 1;
const DATA: u16 = 2;
const FLAGS: u16 = 3;
/// `NFT_SET_ELEM_INTERVAL_END`.
const INTERVAL_END: u32 = 1;

/// Bytes of elements in one message: an attribute's length is a 16-bit number.
const MOST: usize = 48 << 10;

/// An element of a set or a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    key: Vec<u8>,
    /// What it stands for; nothing in a set.
    data: Vec<u8>,
    /// It is where a range has ended.
    end: bool,
}

impl Element {
    /// One of a set.
    pub(crate) fn of(key: &[u8]) -> Element {
        Element { key: key.to_vec(), data: Vec::new(), end: false }
    }

    /// One of a map.
    pub(crate) fn entry(key: &[u8], stands_for: &[u8]) -> Element {
        Element { data: stands_for.to_vec(), ..Element::of(key) }
    }

    /// Where a range that is an element has ended.
    pub(crate) fn range_end(key: &[u8]) -> Element {
        Element { end: true, ..Element::of(key) }
    }

    fn attributes(&self) -> Attributes {
        let mut list = Attributes::new();
        if self.end {
            list = list.big(FLAGS, INTERVAL_END);
        }
        list = list.nest(KEY, value(&self.key));
        if self.data.is_empty() { list } else { list.nest(DATA, value(&self.data)) }
    }

    /// What the kernel has said of one.
    fn read(bytes: &[u8]) -> Element {
        let mut element = Element::of(&[]);
        let inside = |nested| attributes(nested).find(|(kind, _)| *kind == VALUE);
        for (kind, content) in attributes(bytes) {
            match (kind, inside(content)) {
                (KEY, Some((_, key))) => element.key = key.to_vec(),
                (DATA, Some((_, data))) => element.data = data.to_vec(),
                (FLAGS, _) => element.end = content == INTERVAL_END.to_be_bytes(),
                _ => {}
            }
        }
        element
    }

    /// Those in an answer about a set.
    pub(super) fn all(payload: &[u8]) -> impl Iterator<Item = Element> {
        let lists = attributes(payload.get(4..).unwrap_or_default());
        let lists = lists.filter(|(kind, _)| *kind == LIST);
        let elements = lists.flat_map(|(_, list)| attributes(list));
        elements.filter(|(kind, _)| *kind == LIST_ELEMENT).map(|(_, bytes)| Element::read(bytes))
    }
}

/// `NFTA_SET_ELEM_LIST_ELEMENTS`.
const LIST: u16 = 3;

impl Table<'_> {
    /// That these elements are in a set, in as many messages as they need.
    pub(crate) fn add_elements<'e>(
        self,
        set: &str,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Vec<Message> {
        self.about_elements(12, libc::NLM_F_CREATE, set, elements)
    }

    /// That these are not there any more. They must be there.
    pub(crate) fn delete_elements<'e>(
        self,
        set: &str,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Vec<Message> {
        self.about_elements(14, 0, set, elements)
    }

    fn about_elements<'e>(
        self,
        kind: u16,
        flags: libc::c_int,
        set: &str,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut list = Attributes::new();
        let finish = |list: Attributes| {
            let place = Attributes::new().text(1, self.0).text(2, set);
            message(kind, flags).with(place.nest(LIST, list))
        };
        for element in elements {
            let element = element.attributes();
            if list.len() + element.len() > MOST {
                messages.push(finish(std::mem::take(&mut list)));
            }
            list = list.nest(LIST_ELEMENT, element);
        }
        if list.len() > 0 {
            messages.push(finish(list));
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Element, LIST, LIST_ELEMENT, Table};

    #[test]
    fn what_is_told_is_read_back() {
        let elements =
            [Element::of(b"one\0"), Element::entry(b"key.", b"data"), Element::range_end(b"end.")];
        let list = elements
            .iter()
            .fold(Attributes::new(), |list, element| list.nest(LIST_ELEMENT, element.attributes()));
        let answer = Attributes::new().text(1, "table").text(2, "set").nest(LIST, list);
        let payload = [&[0; 4][..], answer.as_bytes()].concat();
        assert_eq!(Element::all(&payload).collect::<Vec<_>>(), elements);
        assert_eq!(Element::all(b"abc").count(), 0);
    }

    #[test]
    fn many_elements_go_in_several_messages() {
        let elements: Vec<Element> =
            (0..5000_u32).map(|number| Element::of(&number.to_be_bytes())).collect();
        assert!(Table("t").add_elements("s", &elements).len() > 1);
        assert_eq!(Table("t").add_elements("s", &elements[..10]).len(), 1);
        assert_eq!(Table("t").add_elements("s", []).len(), 0);
    }
}
