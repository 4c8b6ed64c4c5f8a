#!/bin/sh
# A stand-in for Claude Code that goes on without its runner. It adds its prompt to the file `starts` of its working
# directory, says it with ten numbers, and answers with it.

[ "$1" = --version ] && echo '9.9.9 (Claude Code)' && exit

for argument; do
    case "$argument" in --session-id=* | --resume=*) session=${argument#*=} ;; esac
done

say() { printf '%s\n' "$1"; }

IFS= read -r prompt
text=$(printf %s "$prompt" | sed 's/.*"content":"\([^"]*\)".*/\1/')
say "$text" >> starts
say '{"type":"system","subtype":"init","session_id":"'"$session"'","model":"m"}'
for number in 0 1 2 3 4 5 6 7 8 9; do
    say '{"type":"assistant","message":{"content":[{"type":"text","text":"'"$text $number"'"}]}}'
    # As long as the work of an agent takes.
    sleep 0.05
done
say '{"type":"result","subtype":"success","is_error":false,"result":"'"$text"'","session_id":"'"$session"'"}'
cat > /dev/null
