# SPDX-License-Identifier: MIT
# bash completion for bulkhead(1)
# shellcheck shell=bash

_bulkhead_verbs="define redefine set diff install start stop pause resume reset save restore
	balloon console list show
	uninstall undefine events logs doctor disk volume reservations nic switch service
	quarantine shutdown version help"

# What may follow a verb; a test holds this against the command's own table.
_bulkhead_options() {
	case $1 in
	"define") echo "" ;;
	"redefine") echo "" ;;
	"set") echo "" ;;
	"diff") echo "" ;;
	"install") echo "" ;;
	"start") echo "" ;;
	"stop") echo "--deadline --force" ;;
	"pause") echo "" ;;
	"resume") echo "" ;;
	"reset") echo "" ;;
	"save") echo "" ;;
	"restore") echo "" ;;
	"balloon") echo "" ;;
	"console") echo "--read-only --take-over" ;;
	"list") echo "" ;;
	"show") echo "" ;;
	"uninstall") echo "--remove-images --scrub" ;;
	"undefine") echo "" ;;
	"events") echo "--after --all --follow" ;;
	"logs") echo "" ;;
	"doctor") echo "" ;;
	"disk serve") echo "--file --vhost-user --size --read-only --direct" ;;
	"disk list") echo "" ;;
	"volume define") echo "" ;;
	"volume undefine") echo "" ;;
	"volume list") echo "" ;;
	"volume show") echo "" ;;
	"reservations") echo "" ;;
	"nic add") echo "--switch --vlan --tagged --rate --addresses --mac --mtu --queues --trunk --isolated --any-mac --router" ;;
	"nic remove") echo "" ;;
	"nic set") echo "--vlan --tagged --rate --addresses --router" ;;
	"switch define") echo "--uplink --vlan --tagged --service" ;;
	"switch undefine") echo "" ;;
	"switch list") echo "" ;;
	"switch show") echo "" ;;
	"switch fdb") echo "" ;;
	"switch counters") echo "" ;;
	"switch mirror") echo "--to --nic --vlan --off" ;;
	"switch capture") echo "--nic --snap --write" ;;
	"service list") echo "" ;;
	"service restart") echo "" ;;
	"service set") echo "--standby --kind" ;;
	"service remove") echo "" ;;
	"quarantine list") echo "" ;;
	"quarantine end") echo "" ;;
	"shutdown") echo "--deadline" ;;
	"version") echo "" ;;
	esac
}

# The names that a listing prints below its heading.
_bulkhead_names() {
	"${COMP_WORDS[0]}" "$@" 2>/dev/null | awk 'NR > 1 { print $1 }' | sort -u
}

# The words of the line that are neither an option nor the value of one.
_bulkhead_plain() {
	local word skip=
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ $skip ]]; then
			skip=
			continue
		fi
		case $word in
		--socket | --deadline | --after | --file | --vhost-user | --size | \
			--standby | --kind | --uplink | --vlan | --tagged | --service | \
			--switch | --rate | --addresses | --mac | --mtu | --queues | \
			--nic | --snap | --write | --to) skip=1 ;;
		-*) ;;
		*) echo "$word" ;;
		esac
	done
}

_bulkhead() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local -a plain
	local verb words=

	mapfile -t plain < <(_bulkhead_plain)
	case $before in
	--socket | --file | --vhost-user | --write)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--deadline | --after | --size | --vlan | --tagged | --rate | --addresses | \
		--mac | --mtu | --queues | --nic | --snap | --to) return ;;
	--switch) words=$(_bulkhead_names switch list) ;;
	--service) words=$(_bulkhead_names service list) ;;
	--uplink) words="none tap: bridge: packet: passt passt:host" ;;
	--standby) words="0 1" ;;
	--router) words="true false" ;;
	--kind) words="disk console net" ;;
	*)
		verb=${plain[0]-}
		case $verb in
		disk | volume | nic | switch | service) verb="$verb ${plain[1]-}" ;;
		esac
		if [[ $current == -* ]]; then
			words="--socket --json --help $(_bulkhead_options "$verb")"
		else
			case $verb in
			"") words=$_bulkhead_verbs ;;
			"disk ") words="serve list" ;;
			"volume ") words="define undefine list show" ;;
			"nic ") words="add remove set" ;;
			"switch ") words="define undefine list show fdb counters mirror capture" ;;
			"service ") words="list restart set remove" ;;
			help) words=$_bulkhead_verbs ;;
			define | redefine | "volume define")
				mapfile -t COMPREPLY < <(compgen -f -- "$current")
				return
				;;
			install | start | stop | pause | resume | reset | save | \
				restore | balloon | console | show | uninstall | undefine | logs | set)
				words=$(_bulkhead_names list)
				;;
			diff)
				if [[ ${plain[1]-} ]]; then
					mapfile -t COMPREPLY < <(compgen -f -- "$current")
					return
				fi
				words=$(_bulkhead_names list)
				;;
			"nic add" | "nic remove" | "nic set")
				words=$(_bulkhead_names list)
				;;
			"switch undefine" | "switch show" | "switch fdb" | \
				"switch counters" | "switch mirror" | "switch capture")
				words=$(_bulkhead_names switch list)
				;;
			"volume undefine" | "volume show" | reservations)
				words=$(_bulkhead_names volume list)
				;;
			"service restart" | "service set" | "service remove")
				words=$(_bulkhead_names service list)
				;;
			"quarantine end")
				words=$(_bulkhead_names quarantine list)
				;;
			esac
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _bulkhead bulkhead
