//! The checks, each a name and a script of busybox's shell that ends with 0 when all is well and says what is not.

/// Before each script.
pub(crate) const PROLOGUE: &str = r#"
set -e
run() { barque run --rm --network none "$@"; }
# fails CODE COMMAND…: it must end with that code.
fails() { want=$1; shift; code=0; "$@" || code=$?; [ $code -eq $want ] || { echo "exit code $code, not $want: $*"; exit 1; }; }
# has TEXT PART: the text holds the part.
has() { case "$1" in *"$2"*) ;; *) echo "no $2 in: $1"; exit 1;; esac; }
is() { [ "$1" = "$2" ] || { echo "$1, not $2"; exit 1; }; }
group() { echo /sys/fs/cgroup/barque-*-$1; }
"#;

pub(crate) const CHECKS: &[(&str, &str)] = &[
    (
        "a container runs and tells its exit code",
        r#"fails 7 run testbox exit 7; has "$(run hello)" "Hello from barque""#,
    ),
    (
        "the engine says that this is v2",
        r#"has "$(barque info --format '{{json .}}')" '"CgroupVersion":"2"'"#,
    ),
    (
        "memory is limited and an OOM kill is told",
        r#"
fails 137 barque run --name eater --network none --memory 64m --memory-swap 64m testbox eat 200
has "$(barque inspect eater)" '"OOMKilled": true'
has "$(barque inspect eater)" 'oom-killed'
barque rm eater
is "$(run --memory 64m testbox eat 8)" "ate 8"
id=$(barque run -d --network none --memory 64m --memory-swap 96m --memory-reservation 32m testbox sleep forever)
is "$(cat $(group $id)/memory.max)" 67108864
is "$(cat $(group $id)/memory.low)" 33554432
barque rm -f $id
"#,
    ),
    (
        "processes are limited",
        r#"has "$(run --pids-limit 12 testbox forks 100)" '"forked":11'; has "$(run testbox forks 100)" '"forked":100'"#,
    ),
    (
        "cpu time is limited and weighed",
        r#"
id=$(barque run -d --network none --cpus 0.5 --cpu-shares 512 testbox sleep forever)
is "$(cat $(group $id)/cpu.max)" "50000 100000"
[ "$(cat $(group $id)/cpu.weight)" -lt 100 ]
barque rm -f $id
"#,
    ),
    ("cpu sets pin", r#"has "$(run --cpuset-cpus 1 testbox report process)" '"cpus_allowed":"1"'"#),
    (
        "devices outside the list cannot be opened",
        r#"
has "$(run testbox device c 1 3)" '"mknod":0,"read":0,"write":0'
has "$(run testbox device c 1 1)" '"read":1,"write":1'
has "$(run --privileged testbox device c 1 1)" '"read":0'
"#,
    ),
    (
        "the cgroup is the container's own, and read-only",
        r#"
has "$(run testbox report cgroup)" '"membership":["0::/"]'
fails 1 run testbox write /sys/fs/cgroup/cgroup.procs 1
fails 1 run testbox write /sys/fs/cgroup/memory.max max
"#,
    ),
    (
        "removal kills everything in it at once",
        r#"
id=$(barque run -d --network none --init testbox forks 50 , sleep forever)
barque rm -f $id
sleep 1
[ -z "$(ps | grep '[t]estbox')" ] || { ps | grep testbox; exit 1; }
"#,
    ),
    (
        "stop, kill and wait work",
        r#"
id=$(barque run -d --network none testbox trap TERM=5)
sleep 1
barque stop --time 20 $id
is "$(barque wait $id)" 5
barque rm $id
"#,
    ),
    (
        "limits above the caller's are given where the capability is there",
        r#"
has "$(run --ulimit nofile=200000:200000 testbox report rlimits)" '"Max open files":["200000","200000"]'
has "$(run --oom-score-adj -500 testbox report process)" '"oom_score_adj":"-500"'
"#,
    ),
    (
        "a monitor that is killed takes its container with it",
        r#"
id=$(barque run -d --network none testbox sleep forever)
pid=$(barque inspect --format '{{.State.Pid}}' $id)
kill -9 $(awk '/^PPid/ { print $2 }' /proc/$pid/status)
sleep 1
is "$(barque ps -q)" ""
has "$(barque inspect $id)" 'monitor-died'
barque rm $id
"#,
    ),
    (
        "the profile refuses on this kernel too",
        r#"text=$(run testbox syscalls); has "$text" '"bpf":1'; has "$text" '"mount":1'; has "$text" '"unshare_user":1'; has "$text" '"clone3":38'"#,
    ),
    (
        "masks and root are as on other kernels",
        r#"text=$(run --read-only testbox probe /proc/kcore /proc/sysrq-trigger /); has "$text" '"type":"null"'; has "$text" '"write_errno":30'"#,
    ),
    (
        "networks have names, ports and both families",
        r#"
barque network create --ipv6 web
barque run -d --name server --network web --publish 8080:80 testbox listen 80
until [ "$(barque logs server)" ]; do sleep 0.1; done
four=$(barque inspect --format '{{.NetworkSettings.Networks.web.IPAddress}}' server)
six=$(barque inspect --format '{{.NetworkSettings.Networks.web.GlobalIPv6Address}}' server)
is "$(barque run --rm --network web testbox lookup server)" $four
is "$(nc 127.0.0.1 8080 < /dev/null)" 172.18.0.1
# They reach it as soon as they run.
for number in $(seq 20); do
    barque run --rm --network web testbox connect $four:80
    barque run --rm --network web testbox connect "[$six]:80"
done
barque network create late
barque network connect late server
barque rm -f server
barque network rm web late
[ ! -e /sys/class/net/barque* ]
"#,
    ),
    (
        "twenty at once",
        r#"for n in $(seq 20); do run testbox exit 0 & done; for n in $(seq 20); do wait -n || wait; done"#,
    ),
    (
        "nothing is left",
        r#"
is "$(barque ps -aq)" ""
left=$(find /sys/fs/cgroup -name 'barque-*' -type d)
is "$left" ""
left=$(grep -c overlay /proc/mounts || true)
is "$left" 0
"#,
    ),
];
