# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Loaded after lib.bash: servers nobody here wrote and some that have what is hard to move, and for
# each a driver that checks all it gets. A driver has a limit on everything and exits 0 only if not
# one byte was wrong.

PYTHON=/usr/bin/python3 # never a wrapper of the user's
E2E=$TOP/tests/e2e
ALL_SERVERS=(seqstream redis nginx iperf-up iperf-down asyncio threads tree open halfclosed)

# server KIND HOST ADDRESS PORT [SECONDS]: starts it; $SERVER is the PID of its root there. SECONDS: how
# long a driver that downloads will take.
server() {
	local kind=$1 host=$2 address=$3 port=$4
	case $kind in
	seqstream) SERVER=$(lab spawn "$host" "$SEQSTREAM" serve "$(endpoint "$address" "$port")") ;;
	redis)
		ln -sf /usr/bin/redis-check-rdb "$OUT/redis-server" # one program, by its name
		SERVER=$(lab spawn "$host" "$OUT/redis-server" --bind "$address" --port "$port" --save '' \
			--appendonly no --protected-mode no --loglevel warning)
		;;
	nginx)
		nginx_files "$OUT/nginx.$port" "$(endpoint "$address" "$port")"
		SERVER=$(lab spawn "$host" "$NGINX" -p "$OUT/nginx.$port" -c nginx.conf -e error.log)
		;;
	iperf-*) SERVER=$(lab spawn "$host" iperf3 -s -B "$address" -p "$port") ;;
	asyncio | open) SERVER=$(lab spawn "$host" "$PYTHON" "$E2E/counters.py" serve asyncio "$address" "$port") ;;
	threads | tree) SERVER=$(lab spawn "$host" "$PYTHON" "$E2E/counters.py" serve "$kind" "$address" "$port") ;;
	halfclosed) SERVER=$(lab spawn "$host" "$PYTHON" "$E2E/halfclosed.py" serve "$address" "$port") ;;
	*) echo "no server '$kind'" && false ;;
	esac
	wait_for 10 "$kind to listen" listens "$host" "$port"
}

endpoint() { if [[ $1 == *:* ]]; then echo "[$1]:$2"; else echo "$1:$2"; fi; }

listens() { lab exec "$1" ss -Htln "( sport = :$2 )" | grep -q .; }

# nginx_files DIR ENDPOINT: two workers; one file of random bytes.
nginx_files() {
	local dir=$1
	NGINX=$("$TOP/scripts/get-nginx")
	mkdir -p "$dir/temp"
	head -c 48M /dev/urandom >"$dir/file"
	NGINX_SHA=$(sha256sum "$dir/file" | cut -d' ' -f1)
	cat >"$dir/nginx.conf" <<-END
		user root;
		daemon off;
		worker_processes 2;
		pid $dir/pid;
		events { worker_connections 512; }
		http {
			access_log off;
			client_body_temp_path $dir/temp;
			proxy_temp_path $dir/temp;
			fastcgi_temp_path $dir/temp;
			uwsgi_temp_path $dir/temp;
			scgi_temp_path $dir/temp;
			sendfile on;
			server { listen $2; location / { root $dir; } }
		}
	END
}

# driver KIND ADDRESS PORT SECONDS: in the background on the client, for so long; returns when it is in
# the middle of it. $DRIVER is its PID, $DRIVER_OUT what it says.
driver() {
	local kind=$1 address=$2 port=$3 seconds=$4 command
	DRIVER_OUT=$OUT/driver.$kind
	case $kind in
	seqstream) command=("$SEQSTREAM" connect "$(endpoint "$address" "$port")" "$seconds" chat up down push idle) ;;
	redis) command=("$PYTHON" "$E2E/redis_incr.py" "$address" "$port" "$seconds" 100) ;;
	nginx) command=("$PYTHON" "$E2E/http_download.py" "$address" "$port" /file "$NGINX_SHA" "$seconds") ;;
	iperf-up) command=("$PYTHON" "$E2E/iperf_run.py" "$address" "$port" "$seconds" 200) ;;
	iperf-down) command=("$PYTHON" "$E2E/iperf_run.py" "$address" "$port" "$seconds" 200 -R) ;;
	asyncio) command=("$PYTHON" "$E2E/counters.py" load "$address" "$port" "${CONNECTIONS:-1000}" 500 "$seconds") ;;
	threads | tree) command=("$PYTHON" "$E2E/counters.py" load "$address" "$port" 20 5 "$seconds") ;;
	open) command=("$PYTHON" "$E2E/counters.py" open "$address" "$port" 10 1100 "$seconds") ;;
	halfclosed) command=("$PYTHON" "$E2E/halfclosed.py" hold "$address" "$port" "$seconds") ;;
	*) echo "no driver '$kind'" && false ;;
	esac
	# shellcheck disable=SC2016 # expanded there
	client sh -c 'echo $$ >"$1"; shift; exec timeout -k 5 90 "$@"' sh "$DRIVER_OUT.pid" "${command[@]}" \
		>"$DRIVER_OUT" 2>&1 3>&- &
	DRIVER=$!
	wait_for 15 "the driver of $kind to be under way" driver_works_or_ended "$kind" "$port" || :
	driver_works "$kind" "$port" || { cat "$DRIVER_OUT" && false; }
}

driver_works_or_ended() { driver_works "$@" || ! kill -0 "$DRIVER"; }

driver_works() {
	case $1 in
	seqstream | redis | iperf-*) client ss -Htn state established "( dport = :$2 )" | grep -q . ;;
	*) grep -q ready "$DRIVER_OUT" ;;
	esac
}

# Not by chance ended before the move was over.
driver_still_works() { kill -0 "$DRIVER" || { echo "the driver has ended too early:" && cat "$DRIVER_OUT" && false; }; }

# driver_ends: tells it to, where it can be told; else waits.
driver_ends() {
	case $DRIVER_OUT in
	*.nginx | *.iperf-*) ;;
	*) client kill -TERM "$(cat "$DRIVER_OUT.pid")" ;;
	esac
	driver_right
}

# driver_right: it ends by itself, and all was right.
driver_right() {
	local status=0
	wait "$DRIVER" || status=$?
	[ $status = 0 ] || { echo "the driver says, with status $status:" && cat "$DRIVER_OUT" && false; }
}
