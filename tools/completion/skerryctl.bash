# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# Completion of skerryctl for bash: source it, or install it as
# /usr/share/bash-completion/completions/skerryctl.

# The first column of a table, as asked with the options given so far.
_skerryctl_column() {
	skerryctl "${_skerryctl_options[@]}" --timeout 1s "$@" 2>/dev/null |
		awk 'NR > 1 { print $1 }'
}

_skerryctl_nodes() {
	_skerryctl_column member
}

_skerryctl_reply() {
	local word=$1
	shift
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word")
}

_skerryctl_agents() {
	local dir=${SKERRY_RUN_DIR:-/run/skerry} socket
	for socket in "$dir"/*/api.sock; do
		[ -S "$socket" ] || continue
		socket=${socket%/api.sock}
		echo "${socket##*/}"
	done
}

_skerryctl() {
	local word previous noun='' verb='' i count=0
	local _skerryctl_options=()
	local global='--node --json --timeout --run-dir --help --version'
	local inject='--for --ttl --name --visibility --reason --force --one-way --loss --seed --proto'
	local shapes='isolate around split one-way halves majority minority-third random bridge majorities-ring matrix to'
	local words=("${COMP_WORDS[@]}") cword=$COMP_CWORD

	# Node names hold colons, where readline would split a word.
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n : cur prev words cword
	fi
	word=${words[cword]}
	previous=${words[cword - 1]}
	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		--node | --run-dir)
			_skerryctl_options+=("${words[i]}" "${words[i + 1]}")
			((i++))
			;;
		--timeout | --for | --ttl | --name | --visibility | --reason | \
			--loss | --seed | --proto | --expect | \
			--reply | --channel | --key | --count | --file | --pin-root | -o)
			((i++))
			;;
		-*) ;;
		*)
			if [ -z "$noun" ]; then
				noun=${words[i]}
			elif [ -z "$verb" ]; then
				verb=${words[i]}
			else
				((count++))
			fi
			;;
		esac
	done

	COMPREPLY=()
	case $previous in
	--node)
		_skerryctl_reply "$word" "$(_skerryctl_agents)"
		return
		;;
	--run-dir | --file | --pin-root | --decode)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--timeout | --for)
		_skerryctl_reply "$word" 1s 5s 30s 60s 5m 1h
		return
		;;
	--visibility)
		_skerryctl_reply "$word" wire local reject sever
		return
		;;
	--proto)
		_skerryctl_reply "$word" tcp udp
		return
		;;
	--expect)
		_skerryctl_reply "$word" cut healed
		return
		;;
	--loss)
		_skerryctl_reply "$word" 1% 10% 30% 50%
		return
		;;
	matrix)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--channel)
		_skerryctl_reply "$word" "$(_skerryctl_column channel)"
		return
		;;
	-o)
		if [ "$noun" = partition ]; then
			_skerryctl_reply "$word" matrix
		else
			_skerryctl_reply "$word" wide
		fi
		return
		;;
	--name | --reason | --ttl | --key | --count | --reply | --seed) return ;;
	esac

	case $noun:$verb in
	:)
		_skerryctl_reply "$word" status member peer connection channel \
			endpoint message partition event kernel cluster cut \
			heal "$global"
		;;
	status:) _skerryctl_reply "$word" --features "$global" ;;
	member:)
		_skerryctl_reply "$word" join leave remove set export reserve \
			--known --joins -o "$global"
		;;
	member:export) _skerryctl_reply "$word" --decode "$global" ;;
	member:join) _skerryctl_reply "$word" --wait --takeover "$global" ;;
	peer:) _skerryctl_reply "$word" connect disconnect "$global" ;;
	peer:connect)
		_skerryctl_reply "$word" "$(_skerryctl_nodes)" --prune "$global"
		;;
	member:remove | member:set | peer:disconnect)
		_skerryctl_reply "$word" "$(_skerryctl_nodes)" "$global"
		;;
	endpoint:) _skerryctl_reply "$word" monitor --all "$global" ;;
	message:) _skerryctl_reply "$word" send cast call listen "$global" ;;
	message:listen)
		_skerryctl_reply "$word" --count --channel --raw --echo \
			--reply "$global"
		;;
	message:*)
		if [ "$count" -eq 0 ] && [[ $word != -* ]]; then
			_skerryctl_reply "$word" . "$(_skerryctl_nodes)"
		else
			_skerryctl_reply "$word" --channel --key --file \
				"$global"
		fi
		;;
	partition:)
		_skerryctl_reply "$word" inject resolve explain verify -o \
			"$global"
		;;
	partition:inject | partition:explain)
		if [ "$count" -eq 0 ]; then
			_skerryctl_reply "$word" "$shapes $inject $global"
		else
			_skerryctl_reply "$word" "$(_skerryctl_nodes)" / \
				"$inject $global"
		fi
		;;
	partition:resolve | heal:*)
		_skerryctl_reply "$word" "$(_skerryctl_column partition)" \
			--all --local --pin-root --reason "$global"
		;;
	partition:verify)
		_skerryctl_reply "$word" "$(_skerryctl_column partition)" \
			--expect "$global"
		;;
	cut:)
		_skerryctl_reply "$word" "$(_skerryctl_nodes)" \
			"$shapes $inject $global"
		;;
	cut:*)
		_skerryctl_reply "$word" "$(_skerryctl_nodes)" / \
			"$inject $global"
		;;
	event:*) _skerryctl_reply "$word" --follow --count "$global" ;;
	kernel:) _skerryctl_reply "$word" rules "$global" ;;
	cluster:) _skerryctl_reply "$word" keygen discovery "$global" ;;
	cluster:keygen)
		if [[ $word == -* ]]; then
			_skerryctl_reply "$word" --force "$global"
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
		fi
		;;
	*) _skerryctl_reply "$word" "$global" ;;
	esac
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$word"
	fi
}

complete -F _skerryctl skerryctl
