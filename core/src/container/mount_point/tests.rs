use serde_json::{Value, json};

use super::*;
use crate::api;

fn of(request: Value, image: &[&str]) -> Result<Mounts> {
    let create: ContainerCreate = api::parse(&request.to_string()).unwrap();
    let volumes = image.iter().map(|path| ((*path).to_owned(), api::Empty {})).collect();
    let image = ContainerConfig { volumes: Some(volumes), ..Default::default() };
    Mounts::of(&create, &image, |name| match name {
        "other" => {
            Ok(of(json!({"HostConfig": {"Binds": ["/srv:/srv", "data:/data:ro"]}}), &["/anon"])?
                .points)
        }
        _ => Err(Error::not_found("container", name)),
    })
}

fn places(request: Value, image: &[&str]) -> Vec<String> {
    let mut places: Vec<String> =
        of(request, image).unwrap().points.into_iter().map(|point| point.destination).collect();
    places.sort();
    places
}

fn refused(request: Value) -> String {
    of(request, &[]).unwrap_err().message().to_owned()
}

/// Options of the mount that a single bind comes to.
fn options(request: Value) -> String {
    let mounts = of(request, &[]).unwrap();
    let [point] = mounts.points.as_slice() else { panic!("{mounts:?}") };
    point.mount(|name| Ok(Backing::Directory(format!("/v/{name}")))).unwrap().options.join(",")
}

#[test]
fn what_is_said_of_a_place_counts_before_anothers_mount_and_that_before_an_empty_volume() {
    let from = json!({"HostConfig": {"VolumesFrom": ["other"]}});
    assert_eq!(places(from.clone(), &["/data", "/more"]), ["/anon", "/data", "/more", "/srv"]);
    let mounts = of(
        json!({"Volumes": {"/srv": {}}, "HostConfig": {"VolumesFrom": ["other"], "Binds": ["/a:/data"]}}),
        &["/srv", "/data"],
    )
    .unwrap();
    let at = |place: &str| mounts.points.iter().find(|point| point.destination == place).unwrap();
    assert!(matches!(&at("/data").source, Source::Bind { path, .. } if path == "/a"));
    assert!(matches!(&at("/srv").source, Source::Bind { path, .. } if path == "/srv"));
    assert_eq!(mounts.points.len(), 3, "{mounts:?}");
    let tmpfs = json!({"HostConfig": {"VolumesFrom": ["other"], "Tmpfs": {"/data": ""}}});
    assert_eq!(places(tmpfs, &["/data"]), ["/anon", "/srv"]);
}

#[test]
fn another_containers_mounts_can_be_taken_read_only() {
    let mounts = of(json!({"HostConfig": {"VolumesFrom": ["other:ro"]}}), &[]).unwrap();
    assert!(mounts.points.iter().all(|point| point.access == Access::ReadOnly), "{mounts:?}");
    assert!(mounts.volumes.is_empty(), "they exist");
    assert_eq!(refused(json!({"HostConfig": {"VolumesFrom": ["other:xx"]}})), "invalid mode: xx");
    assert_eq!(refused(json!({"HostConfig": {"VolumesFrom": ["x"]}})), "No such container: x");
}

#[test]
fn one_place_has_one_mount() {
    for host_config in [
        json!({"Binds": ["/a:/x", "/b:/x/"]}),
        json!({"Binds": ["/a:/x"], "Mounts": [{"Type": "tmpfs", "Target": "/x"}]}),
        json!({"Binds": ["/a:/x"], "Tmpfs": {"/x": ""}}),
    ] {
        assert_eq!(refused(json!({"HostConfig": host_config})), "Duplicate mount point: /x");
    }
}

#[test]
fn a_bind_is_recursive_private_and_writable_unless_it_says_otherwise() {
    let bind = |text: &str| options(json!({"HostConfig": {"Binds": [text]}}));
    let long = |bind_options: Value, read_only: bool| {
        let mount = json!({"Type": "bind", "Source": "/", "Target": "/x", "ReadOnly": read_only, "BindOptions": bind_options});
        options(json!({"HostConfig": {"Mounts": [mount]}}))
    };
    assert_eq!(bind("/a:/x"), "rbind,rprivate");
    assert_eq!(bind("/a:/x:ro"), "rbind,rprivate,ro,rro");
    assert_eq!(bind("/a:/x:rslave,z"), "rbind,rslave");
    assert_eq!(bind("data:/x"), "rbind,rprivate");
    assert_eq!(long(json!({"Propagation": "shared"}), false), "rbind,shared");
    assert_eq!(long(json!({"NonRecursive": true}), true), "bind,rprivate,ro");
    assert_eq!(long(json!({"ReadOnlyNonRecursive": true}), true), "rbind,rprivate,ro");
    assert_eq!(long(json!({"ReadOnlyForceRecursive": true}), true), "rbind,rprivate,ro,rro");
    let volume = json!({"Type": "volume", "Source": "data", "Target": "/x", "VolumeOptions": {"Subpath": "a/b"}});
    assert_eq!(
        options(json!({"HostConfig": {"Mounts": [volume]}})),
        "rbind,rprivate,X-mount.subdir=a/b"
    );
}

#[test]
fn a_mount_that_cannot_be_is_refused_with_its_reason() {
    for (mount, why) in [
        (json!({"Target": "/x"}), r#"invalid mount config for type "": mount type unknown"#),
        (
            json!({"Type": "nfs", "Target": "/x"}),
            r#"invalid mount config for type "nfs": mount type unknown"#,
        ),
        (
            json!({"Type": "bind", "Source": "/"}),
            r#"invalid mount config for type "bind": field Target must not be empty"#,
        ),
        (
            json!({"Type": "bind", "Target": "/x"}),
            r#"invalid mount config for type "bind": field Source must not be empty"#,
        ),
        (
            json!({"Type": "bind", "Source": "rel/x", "Target": "/x"}),
            r#"invalid mount config for type "bind": invalid mount path: 'rel/x' mount path must be absolute"#,
        ),
        (
            json!({"Type": "bind", "Source": "/no/such", "Target": "/x"}),
            r#"invalid mount config for type "bind": bind source path does not exist: /no/such"#,
        ),
        (
            json!({"Type": "bind", "Source": "/", "Target": "/x", "VolumeOptions": {}}),
            r#"invalid mount config for type "bind": field VolumeOptions must not be specified"#,
        ),
        (
            json!({"Type": "bind", "Source": "/", "Target": "/x", "BindOptions": {"Propagation": "shared,rw"}}),
            r#"invalid mount config for type "bind": invalid propagation mode: shared,rw"#,
        ),
        (
            json!({"Type": "bind", "Source": "/", "Target": "/x", "BindOptions": {"ReadOnlyForceRecursive": true}}),
            r#"invalid mount config for type "bind": ReadOnlyForceRecursive cannot be specified with a mount that is not ReadOnly"#,
        ),
        (
            json!({"Type": "volume", "Source": "a", "Target": "/x", "VolumeOptions": {"Subpath": "../x"}}),
            r#"invalid mount config for type "volume": invalid subpath "../x": it must be relative and stay in the volume"#,
        ),
        (
            json!({"Type": "tmpfs", "Source": "a", "Target": "/x"}),
            r#"invalid mount config for type "tmpfs": field Source must not be specified"#,
        ),
    ] {
        assert_eq!(refused(json!({"HostConfig": {"Mounts": [mount]}})), why);
    }
    for (bind, why) in [
        ("/a:/x:nocopy", "invalid mode: nocopy"),
        ("data:/x:rslave", "invalid mode: rslave"),
        ("/a:x", "invalid mount path: 'x' mount path must be absolute"),
    ] {
        assert_eq!(refused(json!({"HostConfig": {"Binds": [bind]}})), why);
    }
}

/// SEC-010, SEC-048: an image's paths stay in the container, and stay away from what isolation rests on.
#[test]
fn a_volume_that_an_image_declares_cannot_be_where_isolation_rests() {
    for path in ["/proc", "/proc/self/attr", "/x/../proc", "/sys", "/dev/pts", "/", "/.."] {
        let error = of(json!({}), &[path]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{path}");
    }
    assert_eq!(places(json!({}), &["/../../../../victim", "data/x"]), ["/data/x", "/victim"]);
}

#[test]
fn a_tmpfs_has_its_options_as_text() {
    let mount = json!({"Type": "tmpfs", "Target": "/x", "ReadOnly": true,
        "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o1770, "Options": [["exec"], ["uid", "7"]]}});
    assert_eq!(
        options(json!({"HostConfig": {"Mounts": [mount]}})),
        "nosuid,nodev,exec,size=4096,mode=1770,uid=7,ro"
    );
}
