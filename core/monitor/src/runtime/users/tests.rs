use proptest::prelude::*;

use super::*;

const PASSWD_TEXT: &str = "\
root:x:0:0:root:/root:/bin/sh
# comment:x:7:7::/:
daemon:x:1:1::/usr/sbin:
www:x:33:33:www data:/var/www:/bin/sh
1000:x:0:0::/evil:/bin/sh
huge:x:4294967296:0::/:
big:x:2147483648:5::/:
bad:x:one:0::/:
homeless:x:44:44::
short:x
";

const GROUP_TEXT: &str = "\
root:x:0:
bin:x:2:root,daemon
www:x:33:
audio:x:29:www,root
video:x:44:root2,www
1001:x:0:
huge:x:4294967296:nobody
";

fn ask(user: &str, group_add: &[&str]) -> Result<Identity, String> {
    ask_in(user, group_add, &oci::User::default(), PASSWD_TEXT, GROUP_TEXT)
}

fn ask_in(
    user: &str,
    group_add: &[&str],
    default: &oci::User,
    passwd: &str,
    group: &str,
) -> Result<Identity, String> {
    let group_add: Vec<String> = group_add.iter().map(|g| (*g).to_owned()).collect();
    let asked = Asked { user, group_add: &group_add, default, home: true };
    let file = |path: &str| match path {
        PASSWD => Ok(Some(passwd.as_bytes())),
        GROUP => Ok(Some(group.as_bytes())),
        path => panic!("{path}"),
    };
    resolve(&asked, &file).map_err(|failure| failure.message)
}

fn identity(uid: u32, gid: u32, groups: &[u32], home: &str) -> Identity {
    Identity { uid, gid, groups: groups.to_owned(), home: Some(home.to_owned()) }
}

#[test]
fn a_name_brings_its_group_memberships_and_home() {
    assert_eq!(ask("www", &[]).unwrap(), identity(33, 33, &[33, 29, 44], "/var/www"));
    assert_eq!(ask("root", &[]).unwrap(), identity(0, 0, &[0, 2, 29], "/root"));
}

#[test]
fn a_number_brings_the_same_where_passwd_knows_it() {
    assert_eq!(ask("33", &[]).unwrap(), ask("www", &[]).unwrap());
    assert_eq!(ask("0", &[]).unwrap(), ask("root", &[]).unwrap());
}

#[test]
fn a_number_that_passwd_does_not_know_is_taken_as_it_is() {
    assert_eq!(ask("4711", &[]).unwrap(), identity(4711, 0, &[0], "/"));
    assert_eq!(ask("4711:4712", &[]).unwrap(), identity(4711, 4712, &[4712], "/"));
}

/// CVE-2016-3697, CVE-2026-46680.
#[test]
fn a_number_is_never_looked_up_as_a_name() {
    assert_eq!(ask("1000", &[]).unwrap(), identity(1000, 0, &[0], "/"));
    assert_eq!(ask("5:1001", &[]).unwrap().gid, 1001);
    assert_eq!(ask("5", &["1001"]).unwrap().groups, [0, 1001]);
}

#[test]
fn an_explicit_group_replaces_the_memberships() {
    assert_eq!(ask("www:audio", &[]).unwrap(), identity(33, 29, &[29], "/var/www"));
    assert_eq!(ask("www:7", &[]).unwrap(), identity(33, 7, &[7], "/var/www"));
    assert_eq!(ask(":audio", &[]).unwrap(), identity(0, 29, &[29], "/root"));
}

#[test]
fn added_groups_come_last_and_once() {
    let groups = ask("www", &["video", "1234", "www", "bin"]).unwrap().groups;
    assert_eq!(groups, [33, 29, 44, 1234, 2]);
}

#[test]
fn without_a_user_the_specification_counts() {
    let default = oci::User { uid: 33, gid: 5, additional_gids: vec![6, 5], umask: None };
    let found = ask_in("", &["audio"], &default, PASSWD_TEXT, GROUP_TEXT).unwrap();
    assert_eq!(found, identity(33, 5, &[5, 6, 29], "/var/www"));
}

#[test]
fn unknown_names_are_errors_in_dockers_words() {
    let passwd = "unable to find user nobody: no matching entries in passwd file";
    assert_eq!(ask("nobody", &[]).unwrap_err(), passwd);
    let group = "unable to find group nogroup: no matching entries in group file";
    assert_eq!(ask("www:nogroup", &[]).unwrap_err(), group);
    assert_eq!(ask("www", &["nogroup"]).unwrap_err(), group);
}

/// CVE-2024-40635.
#[test]
fn ids_out_of_range_are_errors() {
    let range = "uids and gids must be in range 0-2147483647";
    for user in [
        "4294967296",
        "2147483648",
        "4294967295",
        "18446744073709551616",
        "99999999999999999999999999",
        "0:4294967296",
        "huge",
        "big",
    ] {
        assert_eq!(ask(user, &[]).unwrap_err(), range, "{user}");
    }
    assert_eq!(ask("1", &["4294967296"]).unwrap_err(), range);
    assert_eq!(ask("1", &["huge"]).unwrap_err(), range);
    assert_eq!(ask("2147483647", &[]).unwrap().uid, 2147483647);
}

/// CVE-2026-30892: these must be the number or an error, and nothing else.
#[test]
fn what_only_looks_like_a_number_is_an_error() {
    for user in ["+1", " 1", "0x1", "1e0", "-1", "٣", "1 ", "１", "1:2:3", "bad", "short", "\n"] {
        assert!(ask(user, &[]).is_err(), "{user:?}");
    }
    assert_eq!(ask("01", &[]).unwrap().uid, 1);
    assert_eq!(ask("1:", &[]).unwrap().uid, 1);
    assert_eq!(ask("1:1", &[]).unwrap().gid, 1);
}

#[test]
fn a_user_without_a_home_has_the_root() {
    assert_eq!(ask("homeless", &[]).unwrap().home.as_deref(), Some("/"));
}

#[test]
fn missing_files_are_like_empty_ones() {
    let none = |_: &str| Ok(None::<&[u8]>);
    let default = oci::User::default();
    let asked = |user| Asked { user, group_add: &[], default: &default, home: false };
    assert_eq!(resolve(&asked("7"), &none).unwrap().uid, 7);
    assert!(resolve(&asked("root"), &none).is_err());
}

#[test]
fn files_that_are_not_needed_are_not_opened() {
    let refuse = |path: &str| -> Result<Option<&[u8]>, Failure> { Err(invalid(path)) };
    let default = oci::User::default();
    let asked = Asked { user: "7:8", group_add: &["9".to_owned()], default: &default, home: false };
    assert_eq!(resolve(&asked, &refuse).unwrap().groups, [8, 9]);
}

/// CVE-2026-47262 and its kin.
#[test]
fn long_lines_and_files_are_refused_without_reading_them() {
    let line = "x".repeat(LONGEST_LINE + 1);
    let error = ask_in("www", &[], &oci::User::default(), &line, "").unwrap_err();
    assert!(error.contains("line longer"), "{error}");

    let fits = format!("{}\nwww:x:33:33::/:\n", "x".repeat(LONGEST_LINE));
    ask_in("www", &[], &oci::User::default(), &fits, "").unwrap();

    let endless = |_: &'static str| Ok(Some(io::repeat(b'\n')));
    let default = oci::User::default();
    let asked = Asked { user: "www", group_add: &[], default: &default, home: false };
    let error = resolve(&asked, &endless).unwrap_err().message;
    assert!(error.contains("longer than"), "{error}");
}

proptest! {
    /// Whatever is in the files: no panic, and a number that was asked for is the number that comes out.
    #[test]
    fn a_number_comes_out_as_it_went_in(
        uid in 0..=i32::MAX as u32,
        gid in prop::option::of(0..=i32::MAX as u32),
        passwd in "([a-z0-9]{0,4}:x?:[0-9]{0,11}:[0-9]{0,11}:.{0,3}\n){0,8}",
        group in "([a-z0-9]{0,4}:x?:[0-9]{0,11}:[a-z0-9,]{0,9}\n){0,8}",
    ) {
        let user = gid.map_or(uid.to_string(), |gid| format!("{uid}:{gid}"));
        match ask_in(&user, &[], &oci::User::default(), &passwd, &group) {
            Ok(found) => {
                prop_assert_eq!(found.uid, uid);
                if let Some(gid) = gid {
                    prop_assert_eq!((found.gid, found.groups.as_slice()), (gid, &[gid][..]));
                }
                prop_assert!(found.groups.contains(&found.gid));
            }
            // The gid beside it in the file may be out of range.
            Err(error) => prop_assert!(error.contains("must be in range"), "{}", error),
        }
    }

    /// A name gives only what a line of that very name says.
    #[test]
    fn a_name_never_becomes_another_user(
        user in "[a-z+-][a-z0-9]{0,3}",
        passwd in "([a-z0-9]{0,4}:x?:[0-9a-f]{0,3}:[0-9]{1,3}::/\n){0,8}",
    ) {
        let found = ask_in(&user, &[], &oci::User::default(), &passwd, "");
        let line = passwd.lines().find(|line| {
            let fields: Vec<_> = line.split(':').collect();
            fields[0] == user && fields[2].parse::<u32>().is_ok()
        });
        match line {
            Some(line) => {
                let uid: u32 = line.split(':').nth(2).unwrap().parse().unwrap();
                prop_assert_eq!(found.unwrap().uid, uid);
            }
            None => prop_assert!(found.is_err()),
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        user in ".{0,8}",
        passwd in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let asked = Asked { user: &user, group_add: &[], default: &oci::User::default(), home: true };
        let file = |_: &'static str| Ok(Some(passwd.as_slice()));
        let _ = resolve(&asked, &file);
    }
}
