# Sourced by `.ci/run` and `tests/all.sh`: runs steps, one after the other or beside each other.
#
# Step `some-name` is the function `run_some_name`. It runs in a subshell, and leaves in $LOGS what it said
# and how it ended. Whoever sources this has the functions `heading TITLE` and `count_results NAME STATUS
# LOG SECONDS`.

# Shows what the step says while it says it.
step() {
    heading "$1"
    perform "$1" | tee "$LOGS/$1.log"
    account_for "$1"
}

# Each argument is a list of steps: those of one list run one after the other, the lists beside each other.
# A list that begins with `~` gives way to the others. What a step said is shown when its list has ended.
steps_side_by_side() {
    local list name pids=()
    if (($# == 1)); then
        for name in ${1#"~ "}; do step "$name"; done
        return
    fi
    for list in "$@"; do
        heading "${list#"~ "}"
        echo "running beside others"
        {
            if [[ $list == "~ "* ]]; then renice --priority 19 --pid "$BASHPID" >/dev/null; fi
            for name in ${list#"~ "}; do perform "$name" &>"$LOGS/$name.log"; done
        } &
        pids+=($!)
    done
    for list in "$@"; do
        wait "${pids[0]}"
        pids=("${pids[@]:1}")
        for name in ${list#"~ "}; do
            heading "$name"
            cat "$LOGS/$name.log"
            account_for "$name"
        done
    done
}

perform() {
    local started=$SECONDS status
    # Who is killed has failed.
    echo "1 0" >"$LOGS/$1.ended"
    set +e
    (
        set -euo pipefail
        "run_${1//-/_}"
    ) 2>&1
    status=$?
    set -e
    echo "$status $((SECONDS - started))" >"$LOGS/$1.ended"
}

account_for() {
    local status seconds
    read -r status seconds <"$LOGS/$1.ended"
    count_results "$1" "$status" "$LOGS/$1.log" "$seconds"
}
