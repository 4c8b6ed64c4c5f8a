#!/bin/sh
# A stand-in for Claude Code that says 100 MiB, in messages of 16 KiB, and then `Done.`.

[ "$1" = --version ] && echo '9.9.9 (Claude Code)' && exit

IFS= read -r prompt
echo '{"type":"system","subtype":"init","session_id":"one","model":"m"}'
text=$(head -c 16384 /dev/zero | tr '\0' x)
yes '{"type":"assistant","message":{"content":[{"type":"text","text":"'"$text"'"}]}}' | head -n 6400
echo '{"type":"result","subtype":"success","is_error":false,"result":"Done.","session_id":"one"}'
cat > /dev/null
