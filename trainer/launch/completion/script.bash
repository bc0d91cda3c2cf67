# Completes `python -m trainer.task` and `python -m trainer.launch` in bash. Written by: @USAGE@
@CASES@
# Sets `place` to where in a command the words of $1 are, as "launch submit vertex" or "task"; empty in other programs.
_trainer_place() {
  local -a words
  local word
  place=""
  case "$1" in
    *" -m trainer.launch "*) place=launch ;;
    *" -m trainer.task "*) place=task ;;
    *) return ;;
  esac
  read -ra words <<<"${1##* -m trainer.}"
  for word in "${words[@]:1}"; do
    if [[ $word == -- ]]; then
      place=task
    elif [[ $word != -* && -n $(_trainer_next "$place") ]]; then
      place="$place $word"
    fi
  done
}

# Completes what is no program of ours with whatever completed it before, which bash-completion may load only now.
_trainer_others() {
  local load
  if [[ -z $_trainer_before ]]; then
    for load in _comp_load _completion_loader; do
      if declare -F "$load" >/dev/null && "$load" "$1" >/dev/null 2>&1; then
        break
      fi
    done
    _trainer_take_over "$1"
  fi
  [[ -z $_trainer_before ]] || "$_trainer_before" "$@"
}

# Notes in `_trainer_before` which function completes a command, and completes it from now on.
_trainer_take_over() {
  local before
  before=$(complete -p "$1" 2>/dev/null)
  if [[ $before == *" -F "* && $before != *" -F _trainer "* ]]; then
    before="${before##* -F }"
    _trainer_before="${before%% *}"
  fi
  # Where nothing is known, bash completes files as ever.
  complete -o bashdefault -o default -F _trainer "$1"
}

_trainer() {
  # bash parts words at = too, the line does not.
  local line="${COMP_LINE:0:COMP_POINT}" IFS=$' \t\n' current before place name text choices whole=""
  current="${line##* }" before="${line% *} "
  COMPREPLY=()
  if [[ $before == *" -m " ]]; then
    COMPREPLY=($(compgen -W "@PROGRAMS@" -- "$current"))
    ((${#COMPREPLY[@]})) && return
  fi
  _trainer_place "$before"
  if [[ -z $place ]]; then
    _trainer_others "$@"
  elif [[ $current == --*=* ]]; then
    name="${current%%=*}" text="${current#*=}"
    [[ $COMP_WORDBREAKS == *=* ]] || whole="$name="
    name="${name#--}"
    choices=$(_trainer_values "${place%% *} --${name//-/_}")
    if [[ -n $choices ]]; then
      COMPREPLY=($(compgen -P "$whole" -W "$choices" -- "$text"))
    else
      compopt -o filenames 2>/dev/null
      IFS=$'\n'
      COMPREPLY=($(compgen -P "$whole" -f -- "$text"))
    fi
  elif [[ $current == -* ]]; then
    choices=$(_trainer_flags "$place")
    # Dashes and underscores are the same in names.
    [[ ${current#--} != *-* ]] || choices="${choices//_/-}"
    COMPREPLY=($(compgen -W "$choices" -- "$current"))
    [[ "${COMPREPLY[*]} " != *"= "* ]] || compopt -o nospace 2>/dev/null
  else
    COMPREPLY=($(compgen -W "$(_trainer_next "$place")" -- "$current"))
  fi
  return 0
}

_trainer_before=""
_trainer_take_over python
_trainer_take_over python3
