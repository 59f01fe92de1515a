#!/bin/sh
# install.sh PACKAGE...          installs Debian packages: as root, or through sudo. Says so first; where it may not, it
#                                names the command and exits 1. All of it on stderr: stdout is the calling command's.
# install.sh --known PACKAGE...  leaves out those that apt does not have here, and names them.
# install.sh --how PACKAGE...    prints the command instead.

how= known=
case $1 in --how) how=yes && shift ;; --known) known=yes && shift ;; esac
[ "$how" ] || exec >&2

if ! command -v apt-get >/dev/null; then
    echo "lab: this machine has no apt-get; by its own means, install what Debian calls: $*"
    exit 1
fi

# With --known, and once apt has lists, $packages are those that it can install, and $unknown are the others.
asked=$* packages=$* unknown=
sort_out() {
    [ "$known" ] || return
    case $(LC_ALL=C apt-cache policy) in *Packages*) ;; *) return ;; esac
    with_candidate='/^[^ ].*:$/{s/:$//;h;}; /^  Candidate: [^(]/{g;p;}'
    packages=$(echo $(LC_ALL=C apt-cache policy $asked 2>/dev/null | sed -n "$with_candidate")) unknown=
    for name in $asked; do
        case " $packages " in *" $name "*) ;; *) unknown="$unknown $name" ;; esac
    done
}
leave_out() {
    [ "$unknown" ] && echo "lab: apt does not have here, so that what needs it is left out:$unknown"
    [ "$packages" ] || exit 0
}
sort_out
[ "$packages" ] || leave_out

install="apt-get install -y --no-install-recommends $packages"
if [ "$(id -u)" = 0 ]; then
    may=yes command="apt-get update && $install"
elif command -v sudo >/dev/null; then
    sudo=sudo command="sudo apt-get update && sudo $install"
    [ "$how" ] || { sudo -n true 2>/dev/null || { [ -t 2 ] && sudo -v; }; } && may=yes
else
    command="su -c 'apt-get update && $install'"
fi
[ "$how" ] && echo "$command" && exit

if [ ! "$may" ]; then
    echo "lab: missing, and only root may install it: $packages"
    echo "lab: this does: $command"
    exit 1
fi

# stdin is the calling command's too. Package lists may be absent or old; one that cannot be had may not be needed.
# needrestart, where it is installed, would restart services of the machine.
apt_get() {
    $sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -o DPkg::Lock::Timeout=120 "$@" </dev/null
}
echo "lab: installing what is missing: $command"
apt_get update
sort_out
leave_out
apt_get install -y --no-install-recommends $packages && exit
echo "lab: apt-get did not install it: see above"
exit 1
