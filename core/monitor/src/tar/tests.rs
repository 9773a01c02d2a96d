use std::io::Read;

use proptest::prelude::*;

use super::*;

/// A header block with a right checksum.
fn header(path: &str, kind: u8, size: u64) -> [u8; 512] {
    let mut block = [0u8; 512];
    block[..path.len()].copy_from_slice(path.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    block[108..115].copy_from_slice(b"0000001");
    block[116..123].copy_from_slice(b"0000002");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[136..147].copy_from_slice(b"00000000012");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sum(block)
}

fn sum(mut block: [u8; 512]) -> [u8; 512] {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn with(mut block: [u8; 512], at: usize, bytes: &[u8]) -> [u8; 512] {
    block[at..at + bytes.len()].copy_from_slice(bytes);
    sum(block)
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(512), 0);
    data
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let body = key.len() + value.len() + 3;
    let mut len = body + 1;
    while len != body + len.to_string().len() {
        len = body + len.to_string().len();
    }
    [len.to_string().as_bytes(), b" ", key.as_bytes(), b"=", value, b"\n"].concat()
}

fn extension(kind: u8, data: &[u8]) -> Vec<u8> {
    [&header("ext", kind, data.len() as u64)[..], &padded(data)].concat()
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let records: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
    extension(b'x', &records)
}

fn file(path: &str, data: &[u8]) -> Vec<u8> {
    [&header(path, b'0', data.len() as u64)[..], &padded(data)].concat()
}

const END: &[u8] = &[0; 1024];

/// Entries with their data.
fn read(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    let mut reader = Reader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut data = Vec::new();
        loop {
            let part = reader.data()?;
            if part.is_empty() {
                break;
            }
            data.extend_from_slice(part);
            let len = part.len();
            reader.consume(len);
        }
        entries.push((entry, data));
    }
    Ok(entries)
}

fn one(parts: &[&[u8]]) -> Result<(Entry, Vec<u8>), String> {
    let archive = [&parts.concat()[..], END].concat();
    let mut entries = read(&archive).map_err(|error| error.to_string())?;
    assert_eq!(entries.len(), 1);
    Ok(entries.remove(0))
}

#[track_caller]
fn refused(parts: &[&[u8]], why: &str) {
    let archive = [&parts.concat()[..], END].concat();
    let error = read(&archive).expect_err("was accepted").to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_plain_file_has_what_its_header_says() {
    let (entry, data) = one(&[&file("a/b", b"hello")]).unwrap();
    assert_eq!(data, b"hello");
    assert_eq!(
        entry,
        Entry {
            path: b"a/b".to_vec(),
            mode: 0o644,
            uid: 1,
            gid: 2,
            size: 5,
            mtime: Time { seconds: 10, nanoseconds: 0 },
            ..Entry::default()
        }
    );
}

#[test]
fn prefixes_count_only_in_the_formats_that_have_them() {
    let ustar = with(header("name", b'0', 0), 345, b"some/prefix");
    assert_eq!(one(&[&ustar]).unwrap().0.path, b"some/prefix/name");
    let gnu = with(ustar, 257, b"ustar  \0");
    assert_eq!(one(&[&gnu]).unwrap().0.path, b"name");
    let v7 = with(ustar, 257, &[0; 8]);
    assert_eq!(one(&[&v7]).unwrap().0.path, b"name");
    let star = with(with(ustar, 476, b"00000000012"), 508, b"tar\0");
    assert_eq!(one(&[&star]).unwrap().0.path, b"some/prefix/name");
}

#[test]
fn a_name_of_a_hundred_bytes_needs_no_nul() {
    let name = "n".repeat(100);
    assert_eq!(one(&[&header(&name, b'0', 0)]).unwrap().0.path, name.as_bytes());
}

#[test]
fn numbers_are_octal_or_base_256() {
    let base = header("f", b'0', 0);
    assert_eq!(one(&[&with(base, 108, b"   17  \0")]).unwrap().0.uid, 0o17);
    assert_eq!(one(&[&with(base, 108, &[0; 8])]).unwrap().0.uid, 0);
    assert_eq!(one(&[&with(base, 108, b"\x80\0\0\0\x01\0\0\0")]).unwrap().0.uid, 1 << 24);
    let before_1970 = with(base, 136, &[0xff; 12]);
    assert_eq!(one(&[&before_1970]).unwrap().0.mtime.seconds, -1);
    for (at, bytes, why) in [
        (108, &b"12x45\0\0\0"[..], "uid"),
        (108, b"  1 2 3\0", "uid"),
        (108, b"-1\0\0\0\0\0\0", "uid"),
        (108, &[0xff; 8], "uid -1 is out of range"),
        (108, b"\x80\0\0\0\xff\xff\xff\xff", "uid 4294967295 is out of range"),
        (116, b"\x80\0\0\x01\0\0\0\0", "gid 4294967296 is out of range"),
        (124, &[0xff; 12], "size is negative"),
        (124, b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "out of range"),
        (136, b"\x80\0\0\0\x80\0\0\0\0\0\0\0", "mtime: is out of range"),
    ] {
        refused(&[&with(base, at, bytes)], why);
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut block = header("f", b'0', 0);
    block[0] = b'g';
    refused(&[&block], "checksum");
}

#[test]
fn pax_replaces_the_fields_of_the_next_file() {
    let records = pax(&[
        ("path", "größe".as_bytes()),
        ("mtime", b"1700000000.123456789123"),
        ("atime", b"-1.25"),
        ("uid", b"70000"),
        ("gid", b"80000"),
        ("SCHILY.xattr.security.capability", b"\x01\0=\n\xff"),
        ("SCHILY.xattr.user.b", b""),
        ("uname", b"somebody"),
        ("comment", b""),
    ]);
    let (entry, data) = one(&[&records, &file("f", b"x")]).unwrap();
    assert_eq!(data, b"x");
    assert_eq!(entry.path, "größe".as_bytes());
    assert_eq!(entry.mtime, Time { seconds: 1_700_000_000, nanoseconds: 123_456_789 });
    assert_eq!(entry.atime, Some(Time { seconds: -2, nanoseconds: 750_000_000 }));
    assert_eq!((entry.uid, entry.gid), (70000, 80000));
    assert_eq!(
        entry.xattrs,
        [
            (b"security.capability".to_vec(), b"\x01\0=\n\xff".to_vec()),
            (b"user.b".to_vec(), Vec::new())
        ]
    );
    let (link, _) = one(&[&pax(&[("linkpath", b"there")]), &header("l", b'2', 0)]).unwrap();
    assert_eq!((link.kind, link.link), (Kind::SymbolicLink, b"there".to_vec()));
}

#[test]
fn pax_passes_over_gnu_names_to_the_file() {
    let (entry, _) =
        one(&[&pax(&[("uid", b"7")]), &extension(b'L', b"long\0"), &file("f", b"")]).unwrap();
    assert_eq!((entry.uid, &entry.path[..]), (7, &b"long"[..]));
    // A PAX size must not be taken for the size of the GNU name: RUSTSEC-2026-0112.
    let (entry, data) =
        one(&[&pax(&[("size", b"3")]), &extension(b'L', b"long\0"), &file("f", b"abc")]).unwrap();
    assert_eq!((&data[..], &entry.path[..]), (&b"abc"[..], &b"long"[..]));
}

#[test]
fn a_pax_size_that_contradicts_the_header_is_refused() {
    refused(&[&pax(&[("size", b"0")]), &file("f", b"abc")], "PAX size");
    refused(&[&pax(&[("size", b"512")]), &file("f", b""), &file("hidden", b"")], "PAX size");
    // What does not fit in the header may be given as zero there.
    let large = [&pax(&[("size", b"8589934592")])[..], &header("f", b'0', 0)].concat();
    let mut reader = Reader::new(&large[..]);
    assert_eq!(reader.next_entry().unwrap().unwrap().size, 1 << 33);
}

#[test]
fn malformed_pax_is_refused() {
    for records in [
        &b"10 path=ab"[..],
        b"9 path=ab\n",
        b"12 path=ab\n",
        b"x path=a\n",
        b"99999999999999999999 path=a\n",
        b" path=a\n",
        b"8 path a\n",
        b"5 =a\n",
        b"0 path=a\n",
        b"path",
    ] {
        refused(&[&extension(b'x', records), &file("f", b"")], "PAX record");
    }
    refused(&[&pax(&[("path", b"a\0b")]), &file("f", b"")], "NUL");
    refused(&[&pax(&[("path", b"a"), ("path", b"b")]), &file("f", b"")], "twice");
    refused(&[&pax(&[("uid", b"-1")]), &file("f", b"")], "not a number");
    refused(&[&pax(&[("uid", b"4294967295")]), &file("f", b"")], "out of range");
    refused(&[&pax(&[("size", b"+3")]), &file("f", b"abc")], "not a number");
    refused(&[&pax(&[("mtime", b"1.2.3")]), &file("f", b"")], "not a time");
    refused(&[&pax(&[("mtime", b"9223372036854775808")]), &file("f", b"")], "not a number");
    refused(&[&pax(&[("path", b"a")]), &pax(&[("uid", b"1")]), &file("f", b"")], "two extension");
    refused(
        &[&pax(&[("path", b"a")]), &extension(b'L', b"b\0"), &file("f", b"")],
        "PAX and from GNU",
    );
    refused(&[&header("x", b'x', MAX_PAX + 1)], "PAX header of");
    refused(&[&pax(&[("path", b"a")])], "no entry after it");
}

#[test]
fn a_global_header_may_only_comment() {
    let (entry, _) =
        one(&[&extension(b'g', &record("comment", b"0123abcd")), &file("f", b"")]).unwrap();
    assert_eq!(entry.path, b"f");
    for key in ["path", "linkpath", "size", "uid", "mtime", "SCHILY.xattr.user.a"] {
        refused(&[&extension(b'g', &record(key, b"1")), &file("f", b"")], "global");
    }
}

#[test]
fn gnu_long_names_are_limited_and_whole() {
    let long = "d/".repeat(200);
    let (entry, _) = one(&[&extension(b'L', long.as_bytes()), &header("d", b'5', 0)]).unwrap();
    assert_eq!(entry.path, long.as_bytes());
    let (entry, _) = one(&[&extension(b'K', b"target\0\0"), &header("l", b'1', 0)]).unwrap();
    assert_eq!((entry.kind, &entry.link[..]), (Kind::HardLink, &b"target"[..]));
    refused(&[&extension(b'L', b"a\0b\0"), &file("f", b"")], "NUL");
    refused(&[&extension(b'L', b"\0"), &file("f", b"")], "empty");
    refused(&[&header("x", b'L', 1 << 20)], "long name of");
    refused(&[&extension(b'L', b"a"), &extension(b'L', b"b"), &file("f", b"")], "two extension");
}

#[test]
fn what_is_no_file_has_no_size() {
    for kind in *b"123456" {
        refused(&[&header("f", kind, 512), &[b'x'; 512]], "is no file and has a size");
    }
    refused(&[&header("d/", b'0', 512), &[b'x'; 512]], "is no file and has a size");
    assert_eq!(one(&[&header("d/", b'0', 0)]).unwrap().0.kind, Kind::Directory);
}

#[test]
fn unknown_types_are_refused_by_name() {
    for kind in *b"MNVDAX8Z" {
        refused(&[&header("f", kind, 0)], "unknown type");
    }
    // Extension headers exist only in formats that have a magic.
    refused(&[&with(header("f", b'x', 0), 257, &[0; 8])], "unknown type");
}

#[test]
fn devices_have_numbers_the_kernel_knows() {
    let device = with(with(header("d", b'3', 0), 329, b"0000005\0"), 337, b"0000001\0");
    assert_eq!(one(&[&device]).unwrap().0.device, (5, 1));
    refused(&[&with(device, 329, b"0010000\0")], "no device");
    refused(&[&with(device, 257, &[0; 8])], "without device numbers");
}

fn old_sparse(pairs: &[(u64, u64)], size: u64, stored: &[u8]) -> Vec<u8> {
    let pair = |pair: &(u64, u64)| format!("{:011o}\0{:011o}\0", pair.0, pair.1).into_bytes();
    let (first, rest) = pairs.split_at(pairs.len().min(4));
    let mut block = header("s", b'S', stored.len() as u64);
    block[257..265].copy_from_slice(b"ustar  \0");
    block[345..482].fill(0);
    for (at, extent) in first.iter().enumerate() {
        block[386 + at * 24..][..24].copy_from_slice(&pair(extent));
    }
    block[482] = u8::from(!rest.is_empty());
    block[483..494].copy_from_slice(format!("{size:011o}").as_bytes());
    let mut bytes = sum(block).to_vec();
    for (at, group) in rest.chunks(21).enumerate() {
        let mut block = [0u8; 512];
        for (at, extent) in group.iter().enumerate() {
            block[at * 24..][..24].copy_from_slice(&pair(extent));
        }
        block[504] = u8::from((at + 1) * 21 < rest.len());
        bytes.extend_from_slice(&block);
    }
    bytes.extend_from_slice(&padded(stored));
    bytes
}

#[test]
fn sparse_files_are_read_in_all_four_formats() {
    let extents = vec![Extent { offset: 512, length: 3 }, Extent { offset: 4096, length: 2 }];
    let check = |(entry, data): (Entry, Vec<u8>)| {
        assert_eq!((entry.size, &data[..]), (8192, &b"abcde"[..]));
        assert_eq!(entry.extents, Some(extents.clone()));
    };
    check(one(&[&old_sparse(&[(512, 3), (4096, 2)], 8192, b"abcde")]).unwrap());
    let zero_zero = pax(&[
        ("GNU.sparse.size", b"8192"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.offset", b"512"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"4096"),
        ("GNU.sparse.numbytes", b"2"),
    ]);
    check(one(&[&zero_zero, &file("s", b"abcde")]).unwrap());
    let zero_one = pax(&[
        ("GNU.sparse.size", b"8192"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.map", b"512,3,4096,2"),
        ("GNU.sparse.name", b"s"),
    ]);
    check(one(&[&zero_one, &file("GNUSparseFile.1/s", b"abcde")]).unwrap());
    let one_zero = pax(&[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"8192"),
        ("GNU.sparse.name", b"s"),
    ]);
    let data = [&padded(b"2\n512\n3\n4096\n2\n")[..], b"abcde"].concat();
    let (entry, read) = one(&[&one_zero, &file("GNUSparseFile.1/s", &data)]).unwrap();
    assert_eq!(entry.path, b"s");
    check((entry, read));
}

#[test]
fn a_sparse_map_may_go_over_many_blocks() {
    let pairs: Vec<(u64, u64)> = (0..60).map(|n| (n * 1024, 1)).collect();
    let (entry, data) = one(&[&old_sparse(&pairs, 1 << 20, &[b'x'; 60])]).unwrap();
    assert_eq!((entry.extents.unwrap().len(), data.len()), (60, 60));
    let lines: String = pairs.iter().map(|(offset, len)| format!("{offset}\n{len}\n")).collect();
    let map = padded(format!("60\n{lines}").as_bytes());
    let data = [&map[..], &[b'x'; 60]].concat();
    let records = pax(&[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"1048576"),
    ]);
    let (entry, data) = one(&[&records, &file("s", &data)]).unwrap();
    assert_eq!((entry.extents.unwrap().len(), data.len()), (60, 60));
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    for (pairs, size, stored) in [
        (&[(0, 3)][..], 2, &b"abc"[..]),
        (&[(4, 1), (2, 1)], 10, b"ab"),
        (&[(0, 4), (2, 1)], 10, b"abcde"),
        (&[(0, 1)], 10, b"ab"),
        (&[(0, 5)], 10, b"ab"),
    ] {
        refused(&[&old_sparse(pairs, size, stored)], "pieces of");
    }
    let numbers = |map: &'static [u8]| {
        pax(&[("GNU.sparse.size", b"9"), ("GNU.sparse.numblocks", b"1"), ("GNU.sparse.map", map)])
    };
    refused(&[&numbers(b"0,1,2"), &file("s", b"a")], "ends with an offset");
    refused(&[&numbers(b"0,1,2,1"), &file("s", b"ab")], "not complete");
    refused(&[&numbers(b"9223372036854775807,1"), &file("s", b"a")], "pieces of");
    let one_zero = pax(&[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"9"),
    ]);
    for map in [&b"x\n"[..], b"\n", b"99999999999999999999\n", b"9999999\n", b"1\n0\n"] {
        let error = one(&[&one_zero, &file("s", &padded(map))]).unwrap_err();
        assert!(error.contains("sparse"), "{error}");
    }
    refused(&[&one_zero, &header("d", b'5', 0)], "is no file");
    refused(
        &[&pax(&[("GNU.sparse.major", b"2"), ("GNU.sparse.minor", b"0")]), &file("s", b"")],
        "unknown version",
    );
    let both = [&one_zero[..], &old_sparse(&[(0, 1)], 9, b"a")].concat();
    refused(&[&both], "two formats");
}

#[test]
fn an_archive_cut_anywhere_is_an_error_or_unmarked() {
    let archive = [
        &pax(&[("path", b"a")])[..],
        &file("f", &[b'x'; 700]),
        &extension(b'L', b"long"),
        &file("g", b"y"),
        END,
    ]
    .concat();
    let whole = read(&archive).unwrap();
    assert_eq!(whole.len(), 2);
    for len in 0..archive.len() {
        let mut reader = Reader::new(&archive[..len]);
        let mut entries = 0;
        let result = loop {
            match reader.next_entry() {
                Ok(Some(_)) => entries += 1,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if result.is_ok() {
            let between = [0, 1024 + 512 + 1024, archive.len() - 1024];
            let lone_nul_block = len == archive.len() - 512;
            assert!(between.contains(&len) || lone_nul_block, "{len} bytes: {entries} entries");
            assert_eq!(reader.has_end_marker(), lone_nul_block, "{len}");
        }
    }
}

/// A name, and where its data begins.
type Position = (Vec<u8>, u64);

/// Those of an archive whose data is read or passed over, and how it ends.
fn positions(archive: &[u8], pass_over: bool) -> (Vec<Position>, Result<bool, Error>) {
    let buffer = std::io::BufReader::with_capacity(600, std::io::Cursor::new(archive));
    let (mut reader, mut found) = (Reader::new(buffer), Vec::new());
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) => found.push((entry.path, reader.position())),
            Ok(None) => return (found, Ok(reader.has_end_marker())),
            Err(error) => return (found, Err(error)),
        }
        if pass_over {
            reader.pass_over();
        }
    }
}

#[test]
fn data_that_is_passed_over_is_found_missing_as_by_who_reads_it() {
    let whole = [
        file("empty", b""),
        file("byte", b"x"),
        file("block", &[7; 512]),
        pax(&[("comment", b"x")]),
        file("large", &[8; 5000]),
        file("last", &[9; 700]),
        END.to_vec(),
    ]
    .concat();
    for length in 0..=whole.len() {
        let (read, read_end) = positions(&whole[..length], false);
        let (passed, passed_end) = positions(&whole[..length], true);
        assert_eq!(passed, read, "{length}");
        assert_eq!(format!("{passed_end:?}"), format!("{read_end:?}"), "{length}");
    }
    assert_eq!(positions(&whole, true).0.len(), 5);
    // More than a file can have: nobody can seek so far.
    let size = with(
        header("endless", b'0', 0),
        124,
        &[0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255],
    );
    let (found, end) = positions(&[&size[..], &[0; 512]].concat(), true);
    assert_eq!(found.len(), 1);
    assert!(end.is_err(), "{end:?}");
}

#[test]
fn what_follows_the_end_is_not_read_as_entries() {
    let archive = [&file("a", b"")[..], END, &file("b", b""), END].concat();
    assert_eq!(read(&archive).unwrap().len(), 1);
    let lone = [&file("a", b"")[..], &[0; 512], &file("b", b""), END].concat();
    assert!(read(&lone).is_err());
}

#[test]
fn names_are_quoted_for_people() {
    assert_eq!(quoted(b"a\n\x1b[31m\xff"), "\"a\\n\\u{1b}[31m\u{fffd}\"");
    assert!(quoted(&[b'x'; 5000]).len() < 300);
}

/// Archives as GNU tar and Python write them, and what both readers of those say of ours.
#[test]
fn the_tar_crate_reads_the_same_from_what_it_wrote() {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o755);
    header.set_uid(1 << 30);
    header.set_mtime(5);
    builder.append_data(&mut header, "x/".repeat(90) + "file", &b"data"[..]).unwrap();
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "link", "t".repeat(150)).unwrap();
    let archive = builder.into_inner().unwrap();
    let ours = read(&archive).unwrap();
    let mut theirs = ::tar::Archive::new(&archive[..]);
    for (theirs, (ours, data)) in theirs.entries().unwrap().zip(&ours) {
        let mut theirs = theirs.unwrap();
        assert_eq!(*theirs.path_bytes(), *ours.path);
        assert_eq!(theirs.link_name_bytes().map_or(Vec::new(), |n| n.to_vec()), ours.link);
        assert_eq!(theirs.header().uid().unwrap(), u64::from(ours.uid));
        let mut content = Vec::new();
        theirs.read_to_end(&mut content).unwrap();
        assert_eq!(content, *data);
    }
    assert_eq!(ours.len(), 2);
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_header_with_any_bytes_changed_ends_in_an_answer(
        changes in proptest::collection::vec((0usize..512, any::<u8>()), 0..6),
        kind in proptest::sample::select(b"0123456SxgLK".to_vec()),
        tail in proptest::collection::vec(any::<u8>(), 0..1600),
    ) {
        let mut block = header("name", kind, tail.len() as u64);
        for (at, byte) in changes {
            block[at] = byte;
        }
        let mut archive = sum(block).to_vec();
        archive.extend_from_slice(&padded(&tail));
        let _ = read(&archive);
    }

    #[test]
    fn any_pax_records_end_in_an_answer(bytes in "[0-9]{1,2} (path|size|mtime|GNU.sparse.(map|size|offset))=[-0-9.,]{0,9}\n") {
        let _ = read(&[&extension(b'x', bytes.as_bytes())[..], &file("f", b"abc"), END].concat());
    }
}
