# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Packages of another suite of Debian, without touching this machine's own: apt with a state of its
# own, and this machine's mirror and keys (tools/debian-sources). To be sourced by bash.
#
#   private_apt STATE SUITE...         makes STATE, sets the array `apt` to apt's options, fetches
#                                      the package lists; returns 1 when they are unavailable
#   private_apt_again STATE            only sets `apt`, for a STATE that private_apt has made: no
#                                      network
#   private_apt_source STATE SUITE...  the same for source packages
#   unpack_root STATE ROOT             unpacks what `apt-get "${apt[@]}" --download-only install`
#                                      left in STATE into ROOT, which becomes a usable root for
#                                      chroot; may be repeated
#
# What apt prints is in STATE/log. STATE is the caller's to remove; it can be removed as soon as
# ROOT is unpacked.

private_apt_tools=$(dirname "${BASH_SOURCE[0]}")

private_apt_again() {
	local state=$1
	# shellcheck disable=SC2034 # the caller's
	apt=(-q -o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
		-o "Dir::Etc::sourceparts=$state/etc" -o "Dir::Etc::sourcelist=$state/etc/debian.sources"
		-o "Dir::Etc::preferences=$state/none/file" -o "Dir::Etc::preferencesparts=$state/none"
		-o "Dir::Log=$state" -o APT::Sandbox::User=root -o APT::Install-Recommends=false
		-o APT::Update::Error-Mode=any -o Acquire::Retries=2)
}

private_apt() {
	local state=$1
	shift
	mkdir -p "$state"/etc "$state"/none "$state"/lists/partial "$state"/cache/archives/partial ||
		return 1
	: > "$state/status"
	"$private_apt_tools/debian-sources" "$@" | sed "s/^Types: deb$/Types: ${private_apt_types:-deb}/" \
		> "$state/etc/debian.sources"
	[ -s "$state/etc/debian.sources" ] || return 1
	private_apt_again "$state"
	apt-get "${apt[@]}" update > "$state/log" 2>&1
}

private_apt_source() { private_apt_types=deb-src private_apt "$@"; }

unpack_root() {
	local state=$1 root=$2 dir deb
	for dir in bin sbin lib lib64; do
		mkdir -p "$root/usr/$dir"
		[ -e "$root/$dir" ] || ln -s "usr/$dir" "$root/$dir"
	done
	mkdir -p "$root/dev" "$root/tmp" "$root/proc"
	[ -e "$root/dev/null" ] || cp -a /dev/null "$root/dev/null" 2> /dev/null || :
	for deb in "$state"/cache/archives/*.deb; do
		# symbolic links of the root (/lib -> usr/lib) stay what they are
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink \
			--no-same-owner --exclude='./dev/*' || return 1
	done
	ldconfig -r "$root" 2> /dev/null || :
}
