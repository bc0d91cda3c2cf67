# Completes `python -m trainer.task` and `python -m trainer.launch` in zsh. Written by: @USAGE@
@CASES@
# Sets `place` to where in a command the arguments are, as "launch submit vertex" or "task"; empty in other programs.
_trainer_place() {
  local word
  local -i program=${@[(i)-m]}+1
  place=""
  case "${@[program]}" in
    trainer.launch) place=launch ;;
    trainer.task) place=task ;;
    *) return ;;
  esac
  for word in "${@[program + 1,-1]}"; do
    if [[ $word == -- ]]; then
      place=task
    elif [[ $word != -* && -n $(_trainer_next "$place") ]]; then
      place="$place $word"
    fi
  done
}

_trainer() {
  local place name
  local -a choices
  if [[ ${words[CURRENT - 1]} == -m ]]; then
    compadd -- @PROGRAMS@ && return
  fi
  _trainer_place "${(@)words[1,CURRENT - 1]}"
  if [[ -z $place ]]; then
    ${_trainer_before} "$@"
  elif [[ $PREFIX == --*=* ]]; then
    name="${${PREFIX%%=*}#--}"
    choices=($(_trainer_values "${place%% *} --${name//-/_}"))
    compset -P 1 '*='
    if (( $#choices )); then
      compadd -- $choices
    else
      _files
    fi
  elif [[ $PREFIX == -* ]]; then
    choices=($(_trainer_flags "$place"))
    # Dashes and underscores are the same in names.
    [[ ${PREFIX#--} != *-* ]] || choices=(${choices//_/-})
    compadd -S '' -- ${(M)choices:#*=}
    compadd -- ${choices:#*=}
  else
    choices=($(_trainer_next "$place"))
    if (( $#choices )); then
      compadd -- $choices
    else
      _files
    fi
  fi
}

if (( ! $+functions[compdef] )); then
  autoload -Uz compinit && compinit
fi
# Completes what is no program of ours, as before.
_trainer_before="${_comps[python]:-_default}"
[[ $_trainer_before != _trainer ]] || _trainer_before=_default
compdef _trainer python python3
