# bash completion for edgellm, made from the program's commands by tests/EdgeLlm.Cli.Tests/Package (EDGELLM_UPDATE=1 writes it)

_edgellm() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' options='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} != -* ]]; then command=${COMP_WORDS[i]}; break; fi
  done
  COMPREPLY=()
  case $command in
    '') options='run inspect show bench doctor pull quantize serve snapshot cache list ls ps rm kernels logits perplexity template tokenize phonemes embed rerank say --help --version' ;;
    run) options='--model -m --prompt -p --system --system-prompt -sys --chat-template --raw --chat -cnv --no-stdin --no-history --force --stats --verbose --context --ctx-size -c --threads -t --decode-threads --chunk --kernel --kv --max-tokens --n-predict --predict -n --temperature --temp --top-k --top-p --min-p --typical-p --seed -s --repeat-penalty --repeat-last-n --presence-penalty --frequency-penalty --dry-multiplier --dry-base --dry-allowed-length --dry-penalty-last-n --dry-breaker --logit-bias --stop --ignore-eos --no-loop-guard --when-full --help' ;;
    inspect | show) options='--context --ctx-size -c --kv --tensors --verify --json --help' ;;
    bench) options='--model -m --threads -t --decode-threads --tune --prompt -p --decode -n --depth -d --rounds -r --kernel --chunk --kv --profile --peer-decode --peer-model --json --help' ;;
    doctor) options='--json --help' ;;
    pull) options='--system --help' ;;
    quantize) options='--calibrate --fast --type --imatrix --write-imatrix --group --embedding --size --bits --no-lattice --chat-template --evaluate --no-report --force --dry-run --help' ;;
    serve) options='--config --check --model -m --name --chat-template --listen --api-key-file --origins --hosts --context --threads --decode-threads --kv --conversations --cache-memory --cache-disk --cache-disk-size --snapshot --queue --body-limit --stop-seconds --state --help' ;;
    snapshot) options='--model -m --system --tools --output -o --force --context --ctx-size -c --chat-template --kv --threads -t --kernel --help' ;;
    cache) options='--help' ;;
    list | ls) options='--json --names --help' ;;
    ps) options='--service --json --help' ;;
    rm) options='--system --yes -y --help' ;;
    kernels) options='--help' ;;
    logits) options='--model -m --ids --output --context --ctx-size -c --threads -t --chunk --kernel --kv --float-activations --help' ;;
    perplexity) options='--model -m --text --context --against --keep-logits --json --help' ;;
    template) options='--model -m --template --chat-template --input --now --help' ;;
    tokenize) options='--model -m --special --add-special --jsonl --decode --help' ;;
    phonemes) options='--voice --json --help' ;;
    embed) options='--model -m --pooling --no-normalize --prompt --output -o --context --ctx-size -c --threads -t --kernel --help' ;;
    rerank) options='--model -m --context --ctx-size -c --threads -t --kernel --help' ;;
    say) options='--file -f --output -o --voice --speed --volume --seed --pause --phonemes --stages --float-activations --threads -t --kernel --help' ;;
  esac
  case $command:$previous in
    run:--model | run:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    run:--prompt | run:-p) COMPREPLY=(); return ;;
    run:--system | run:--system-prompt | run:-sys) COMPREPLY=(); return ;;
    run:--chat-template) COMPREPLY=($(compgen -W "vicuna alpaca dolly llama2 chatml" -- "$word") $(compgen -f -- "$word")); return ;;
    run:--context | run:--ctx-size | run:-c) COMPREPLY=(); return ;;
    run:--threads | run:-t) COMPREPLY=(); return ;;
    run:--decode-threads) COMPREPLY=(); return ;;
    run:--chunk) COMPREPLY=(); return ;;
    run:--kernel) COMPREPLY=($(compgen -W "$(edgellm kernels 2> /dev/null)" -- "$word")); return ;;
    run:--kv) COMPREPLY=($(compgen -W "f16 f32 i8" -- "$word")); return ;;
    run:--max-tokens | run:--n-predict | run:--predict | run:-n) COMPREPLY=(); return ;;
    run:--temperature | run:--temp) COMPREPLY=(); return ;;
    run:--top-k) COMPREPLY=(); return ;;
    run:--top-p) COMPREPLY=(); return ;;
    run:--min-p) COMPREPLY=(); return ;;
    run:--typical-p) COMPREPLY=(); return ;;
    run:--seed | run:-s) COMPREPLY=(); return ;;
    run:--repeat-penalty) COMPREPLY=(); return ;;
    run:--repeat-last-n) COMPREPLY=(); return ;;
    run:--presence-penalty) COMPREPLY=(); return ;;
    run:--frequency-penalty) COMPREPLY=(); return ;;
    run:--dry-multiplier) COMPREPLY=(); return ;;
    run:--dry-base) COMPREPLY=(); return ;;
    run:--dry-allowed-length) COMPREPLY=(); return ;;
    run:--dry-penalty-last-n) COMPREPLY=(); return ;;
    run:--dry-breaker) COMPREPLY=(); return ;;
    run:--logit-bias) COMPREPLY=(); return ;;
    run:--stop) COMPREPLY=(); return ;;
    run:--when-full) COMPREPLY=($(compgen -W "error drop" -- "$word")); return ;;
    inspect:--context | inspect:--ctx-size | inspect:-c | show:--context | show:--ctx-size | show:-c) COMPREPLY=(); return ;;
    inspect:--kv | show:--kv) COMPREPLY=($(compgen -W "f16 f32 i8" -- "$word")); return ;;
    bench:--model | bench:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    bench:--threads | bench:-t) COMPREPLY=(); return ;;
    bench:--decode-threads) COMPREPLY=(); return ;;
    bench:--prompt | bench:-p) COMPREPLY=(); return ;;
    bench:--decode | bench:-n) COMPREPLY=(); return ;;
    bench:--depth | bench:-d) COMPREPLY=(); return ;;
    bench:--rounds | bench:-r) COMPREPLY=(); return ;;
    bench:--kernel) COMPREPLY=($(compgen -W "$(edgellm kernels 2> /dev/null)" -- "$word")); return ;;
    bench:--chunk) COMPREPLY=(); return ;;
    bench:--kv) COMPREPLY=($(compgen -W "f16 f32 i8" -- "$word")); return ;;
    bench:--peer-decode) COMPREPLY=(); return ;;
    bench:--peer-model) COMPREPLY=($(compgen -f -- "$word")); return ;;
    quantize:--calibrate) COMPREPLY=($(compgen -f -- "$word")); return ;;
    quantize:--type) COMPREPLY=($(compgen -W "q4_0 q8_0 iq4_nl q4_k f16 bf16 f32" -- "$word")); return ;;
    quantize:--imatrix) COMPREPLY=($(compgen -f -- "$word")); return ;;
    quantize:--write-imatrix) COMPREPLY=($(compgen -f -- "$word")); return ;;
    quantize:--group) COMPREPLY=($(compgen -W "32 16" -- "$word")); return ;;
    quantize:--embedding) COMPREPLY=($(compgen -W "e8 e4" -- "$word")); return ;;
    quantize:--size) COMPREPLY=(); return ;;
    quantize:--bits) COMPREPLY=(); return ;;
    quantize:--chat-template) COMPREPLY=($(compgen -W "vicuna alpaca dolly llama2 chatml" -- "$word") $(compgen -f -- "$word")); return ;;
    quantize:--evaluate) COMPREPLY=($(compgen -f -- "$word")); return ;;
    serve:--config) COMPREPLY=($(compgen -f -- "$word")); return ;;
    serve:--model | serve:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    serve:--name) COMPREPLY=(); return ;;
    serve:--chat-template) COMPREPLY=($(compgen -W "vicuna alpaca dolly llama2 chatml" -- "$word") $(compgen -f -- "$word")); return ;;
    serve:--listen) COMPREPLY=(); return ;;
    serve:--api-key-file) COMPREPLY=($(compgen -f -- "$word")); return ;;
    serve:--origins) COMPREPLY=(); return ;;
    serve:--hosts) COMPREPLY=(); return ;;
    serve:--context) COMPREPLY=(); return ;;
    serve:--threads) COMPREPLY=(); return ;;
    serve:--decode-threads) COMPREPLY=(); return ;;
    serve:--kv) COMPREPLY=($(compgen -W "f16 f32 i8" -- "$word")); return ;;
    serve:--conversations) COMPREPLY=(); return ;;
    serve:--cache-memory) COMPREPLY=(); return ;;
    serve:--cache-disk) COMPREPLY=($(compgen -W "shared conversations none" -- "$word")); return ;;
    serve:--cache-disk-size) COMPREPLY=(); return ;;
    serve:--snapshot) COMPREPLY=($(compgen -f -- "$word")); return ;;
    serve:--queue) COMPREPLY=(); return ;;
    serve:--body-limit) COMPREPLY=(); return ;;
    serve:--stop-seconds) COMPREPLY=(); return ;;
    serve:--state) COMPREPLY=($(compgen -f -- "$word")); return ;;
    snapshot:--model | snapshot:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    snapshot:--system) COMPREPLY=($(compgen -f -- "$word")); return ;;
    snapshot:--tools) COMPREPLY=($(compgen -f -- "$word")); return ;;
    snapshot:--output | snapshot:-o) COMPREPLY=($(compgen -f -- "$word")); return ;;
    snapshot:--context | snapshot:--ctx-size | snapshot:-c) COMPREPLY=(); return ;;
    snapshot:--chat-template) COMPREPLY=($(compgen -W "vicuna alpaca dolly llama2 chatml" -- "$word") $(compgen -f -- "$word")); return ;;
    snapshot:--kv) COMPREPLY=($(compgen -W "f16 f32 i8" -- "$word")); return ;;
    snapshot:--threads | snapshot:-t) COMPREPLY=(); return ;;
    snapshot:--kernel) COMPREPLY=($(compgen -W "$(edgellm kernels 2> /dev/null)" -- "$word")); return ;;
    ps:--service) COMPREPLY=(); return ;;
    logits:--model | logits:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    logits:--ids) COMPREPLY=($(compgen -f -- "$word")); return ;;
    logits:--output) COMPREPLY=($(compgen -f -- "$word")); return ;;
    logits:--context | logits:--ctx-size | logits:-c) COMPREPLY=(); return ;;
    logits:--threads | logits:-t) COMPREPLY=(); return ;;
    logits:--chunk) COMPREPLY=(); return ;;
    logits:--kernel) COMPREPLY=($(compgen -W "$(edgellm kernels 2> /dev/null)" -- "$word")); return ;;
    logits:--kv) COMPREPLY=($(compgen -W "f16 f32 i8" -- "$word")); return ;;
    perplexity:--model | perplexity:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    perplexity:--text) COMPREPLY=($(compgen -f -- "$word")); return ;;
    perplexity:--context) COMPREPLY=(); return ;;
    perplexity:--against) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    perplexity:--keep-logits) COMPREPLY=($(compgen -f -- "$word")); return ;;
    template:--model | template:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    template:--template) COMPREPLY=($(compgen -f -- "$word")); return ;;
    template:--chat-template) COMPREPLY=($(compgen -W "vicuna alpaca dolly llama2 chatml" -- "$word") $(compgen -f -- "$word")); return ;;
    template:--input) COMPREPLY=($(compgen -f -- "$word")); return ;;
    template:--now) COMPREPLY=(); return ;;
    tokenize:--model | tokenize:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    phonemes:--voice) COMPREPLY=(); return ;;
    embed:--model | embed:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    embed:--pooling) COMPREPLY=($(compgen -W "mean cls last" -- "$word")); return ;;
    embed:--prompt) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word")); return ;;
    embed:--output | embed:-o) COMPREPLY=($(compgen -f -- "$word")); return ;;
    embed:--context | embed:--ctx-size | embed:-c) COMPREPLY=(); return ;;
    embed:--threads | embed:-t) COMPREPLY=(); return ;;
    embed:--kernel) COMPREPLY=($(compgen -W "$(edgellm kernels 2> /dev/null)" -- "$word")); return ;;
    rerank:--model | rerank:-m) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); return ;;
    rerank:--context | rerank:--ctx-size | rerank:-c) COMPREPLY=(); return ;;
    rerank:--threads | rerank:-t) COMPREPLY=(); return ;;
    rerank:--kernel) COMPREPLY=($(compgen -W "$(edgellm kernels 2> /dev/null)" -- "$word")); return ;;
    say:--file | say:-f) COMPREPLY=($(compgen -f -- "$word")); return ;;
    say:--output | say:-o) COMPREPLY=($(compgen -f -- "$word")); return ;;
    say:--voice) COMPREPLY=(); return ;;
    say:--speed) COMPREPLY=(); return ;;
    say:--volume) COMPREPLY=(); return ;;
    say:--seed) COMPREPLY=(); return ;;
    say:--pause) COMPREPLY=($(compgen -W "reference" -- "$word")); return ;;
    say:--stages) COMPREPLY=($(compgen -f -- "$word")); return ;;
    say:--threads | say:-t) COMPREPLY=(); return ;;
    say:--kernel) COMPREPLY=($(compgen -W "$(edgellm kernels 2> /dev/null)" -- "$word")); return ;;
  esac
  if [[ $word == -* || -z $command ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
    return
  fi
  case $command in
    run) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); ;;
    inspect | show) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); ;;
    pull) COMPREPLY=(); ;;
    quantize) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word") $(compgen -f -- "$word")); ;;
    rm) COMPREPLY=($(compgen -W "$(edgellm list --names 2> /dev/null)" -- "$word")); ;;
    phonemes) COMPREPLY=(); ;;
    embed) COMPREPLY=($(compgen -f -- "$word")); ;;
    rerank) COMPREPLY=(); ;;
    say) COMPREPLY=(); ;;
  esac
}

complete -o filenames -F _edgellm edgellm
