# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# bash completion for tcpmig-bpf

# Options of a command, beside those that all commands take.
_tcpmig_bpf_options() {
	case $1 in
	attach) echo --mode ;;
	detach) echo --all ;;
	hold) echo --max --hold --next --flow ;;
	redirect) echo --established-only --flow ;;
	gc) echo --idle ;;
	agent | host) echo --config ;;
	migrate)
		echo --pid --to --new --new-port --dry-run --require-agents --max-freeze --hold --files \
			--config --resume --abort
		;;
	rewrite-images) echo --from --to ;;
	pki) echo --dir --name --days --net --ip --role --out --ca --sub-ca ;;
	esac
}

# What `list` knows as OLD.
_tcpmig_bpf_rules() {
	tcpmig-bpf list -j 2>/dev/null | sed -n '/"flows": \[/q; s/.*"old": *"\(.*\)".*/\1/p'
}

_tcpmig_bpf() {
	local cur prev words cword command word
	local commands='attach detach hold redirect release list stats watch gc doctor'
	commands+=' agent host migrate criu-hook rewrite-images pki'
	local common='--json --verbose --pin-dir --help'
	_init_completion -n : || return

	for word in "${words[@]:1:cword-1}"; do
		[[ " $commands " == *" $word "* ]] && command=$word && break
	done
	case $prev in
	--pin-dir | --dir) _filedir -d && return ;;
	--out | --config) _filedir && return ;;
	--role) mapfile -t COMPREPLY < <(compgen -W 'host agent' -- "$cur") && return ;;
	--mode) mapfile -t COMPREPLY < <(compgen -W 'auto tcx clsact' -- "$cur") && return ;;
	--require-agents) mapfile -t COMPREPLY < <(compgen -W 'all any none' -- "$cur") && return ;;
	--files) mapfile -t COMPREPLY < <(compgen -W 'check ignore' -- "$cur") && return ;;
	--pid) _pids && return ;;
	--to) _known_hosts_real -- "$cur" && return ;;
	--hold) mapfile -t COMPREPLY < <(compgen -W 'drop swallow' -- "$cur") && return ;;
	esac
	if [[ -z $command ]]; then
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$common --version" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
		fi
		return
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_tcpmig_bpf_options "$command") $common" -- "$cur")
		return
	fi
	case $command in
	attach | detach) _available_interfaces -a ;;
	hold | redirect | release)
		mapfile -t COMPREPLY < <(compgen -W "$(_tcpmig_bpf_rules)" -- "$cur")
		__ltrim_colon_completions "$cur"
		;;
	rewrite-images) _filedir -d ;;
	pki)
		if [[ $prev == pki ]]; then
			mapfile -t COMPREPLY < <(compgen -W 'init issue revoke show' -- "$cur")
		else
			_filedir crt
		fi
		;;
	esac
} && complete -F _tcpmig_bpf tcpmig-bpf
