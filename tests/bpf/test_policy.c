// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The administrator's policy (root): what it does not allow is left as it is, whatever the rules
 * say, even if they are written to by somebody who knows how, while packets come by.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "fixture.h"

#define RACE_PACKETS 30000

/* Addresses that differ from @who's in the last @host_bits bits only. */
struct side {
	enum who who;
	unsigned int host_bits;
	__u16 from, to;
	bool other_family; /* all of that */
};

struct pair {
	struct side old, new;
};

/* What a policy forbids: of what the rows of rows.c do. */
enum forbids { NOTHING, WITH_NEW, EVERYTHING };

#define ANY_PORT 1, 65535
#define OLD_EXACT                         \
	{                                 \
		OLD, 0, 5000, 5000, false \
	}
#define NEW_AND_THIRD                     \
	{                                 \
		NEW, 3, 6000, 7000, false \
	} /* 0 to 7 */
#define STRANGER_ANY_PORT                    \
	{                                    \
		STRANGER, 0, ANY_PORT, false \
	}
#define OTHER_FAMILY                   \
	{                              \
		OLD, 0, ANY_PORT, true \
	}

static const struct trial {
	const char *name;
	struct pair pairs[2];
	__u32 fillers; /* entries about nobody, in front of them */
	__u32 count;   /* of the pairs */
	enum forbids forbids;
} trials[] = {
	{ "just what is needed", { { OLD_EXACT, NEW_AND_THIRD } }, 0, 1, NOTHING },
	{ "the last of as many entries as there can be",
	  { { OLD_EXACT, NEW_AND_THIRD } },
	  TCPMIG_POLICIES_MAX - 1,
	  1,
	  NOTHING },
	{ "no entry", { { OLD_EXACT, NEW_AND_THIRD } }, 0, 0, EVERYTHING },
	{ "another OLD", { { STRANGER_ANY_PORT, NEW_AND_THIRD } }, 0, 1, EVERYTHING },
	{ "other ports of OLD",
	  { { { OLD, 0, 5001, 65535, false }, NEW_AND_THIRD },
	    { { OLD, 0, 1, 4999, false }, NEW_AND_THIRD } },
	  0,
	  2,
	  EVERYTHING },
	{ "OLD of the other family", { { OTHER_FAMILY, NEW_AND_THIRD } }, 0, 1, EVERYTHING },
	{ "another NEW", { { OLD_EXACT, STRANGER_ANY_PORT } }, 0, 1, WITH_NEW },
	{ "other ports of NEW",
	  { { OLD_EXACT, { NEW, 3, 1, 5999, false } },
	    { OLD_EXACT, { NEW, 3, 7001, 65535, false } } },
	  0,
	  2,
	  WITH_NEW },
	{ "NEW of the other family", { { OLD_EXACT, OTHER_FAMILY } }, 0, 1, WITH_NEW },
	{ "OLD of one entry, NEW of another",
	  { { OLD_EXACT, STRANGER_ANY_PORT }, { STRANGER_ANY_PORT, NEW_AND_THIRD } },
	  0,
	  2,
	  WITH_NEW },
};

static struct tcpmig_prefix prefix_of(const struct side *side)
{
	struct tcpmig_endpoint ep = endpoint_of(side->who);
	struct tcpmig_prefix p = { .bits = 128 - side->host_bits,
				   .family = ep.family,
				   .port_min = side->from,
				   .port_max = side->to };

	if (side->other_family) {
		p.family = family ? TCPMIG_AF_INET : TCPMIG_AF_INET6;
		p.bits = 0;
	}
	for (int bit = 0; bit < p.bits; bit++)
		p.addr[bit / 8] |= ep.addr[bit / 8] & 0x80 >> bit % 8;
	return p;
}

static struct tcpmig_policy policy_of(const struct pair *pair)
{
	return (struct tcpmig_policy){ prefix_of(&pair->old), prefix_of(&pair->new) };
}

/* @count pairs, behind @fillers entries that say nothing about anybody here. */
static void allow_behind(__u32 fillers, const struct pair *pairs, __u32 count)
{
	static const struct pair filler = { STRANGER_ANY_PORT, STRANGER_ANY_PORT };
	struct tcpmig_policies list = { .generation = 1, .count = fillers + count };

	for (__u32 i = 0; i < fillers; i++)
		list.list[i] = policy_of(&filler);
	for (__u32 i = 0; i < 2 && fillers + i < TCPMIG_POLICIES_MAX; i++)
		list.list[fillers + i] = policy_of(&pairs[i < count ? i : 0]);
	assert_int_equal(tables_set_policy(&policy, &list), 0);
}

static void allow(const struct side old, const struct side new)
{
	allow_behind(0, &(struct pair){ old, new }, 1);
}

#define ALLOW(old, new) allow((struct side)old, (struct side) new)

static void allow_all(void)
{
	assert_int_equal(tables_set_policy(&policy, &(struct tcpmig_policies){}), 0);
}

static bool does_something(const struct row *row)
{
	return row->verdict != NEXT || row->src_after != NOBODY;
}

static bool is_forbidden(const struct row *row, enum forbids forbids)
{
	bool icmp = row->shape >= ICMP_UNREACHABLE;
	enum who server = row->direction == IN && !icmp ? row->src : row->dst;

	if (forbids == NOTHING || !does_something(row))
		return false;
	if (forbids == EVERYTHING || server == NEW || server == THIRD)
		return true;
	return row->direction == OUT &&
	       (row->reason == R(OUT_REWRITTEN) || row->reason == R(FRAGMENT));
}

static void run_trial(const struct trial *trial)
{
	char name[200];

	allow_behind(trial->fillers, trial->pairs, trial->count);
	for (size_t i = 0; i < rows_count; i++) {
		unsigned int may = trial->forbids ? 1 << R(POLICY_DENIED) : 0;
		struct row row = rows[i];

		if (!packet_exists(row.shape, family ? TCPMIG_AF_INET6 : TCPMIG_AF_INET) ||
		    (trial->forbids && !does_something(&row)))
			continue;
		snprintf(name, sizeof(name), "%s: %s", trial->name, row.name);
		row.name = name;
		if (is_forbidden(&rows[i], trial->forbids)) {
			row.verdict = NEXT;
			row.src_after = row.dst_after = NOBODY;
			row.reason = R(POLICY_DENIED);
			may = 1 << R(IN_HELD_PASS) | 1 << R(HELD_EXPIRED) | 1 << R(FLOW_OVER);
		}
		run_row(&row, 0, may);
	}
	allow_all();
}

static void what_is_not_allowed_is_left_alone(void **state)
{
	(void)state;
	for (family = 0; family < 2; family++) {
		for (size_t i = 0; i < ARRAY_SIZE(trials); i++)
			run_trial(&trials[i]);
	}
}

static int send_packet(enum who from, enum who to, enum shape shape, struct test_packet *in,
		       struct test_packet *out)
{
	struct tcpmig_endpoint src = endpoint_of(from), dst = endpoint_of(to);
	enum direction direction = from == CLIENT || from == CLIENT2 ? OUT : IN;

	packet_build(in, shape, &src, &dst);
	return run_program(direction, in, out, 0, NULL);
}

/* The verdict is NEXT, and nothing has been done to the packet. */
static bool passes(enum who from, enum who to, enum shape shape)
{
	struct test_packet in, out;

	return send_packet(from, to, shape, &in, &out) == NEXT && in.len == out.len &&
	       !memcmp(in.data, out.data, in.len);
}

/* What it is when it has been rewritten, @after instead of the server that it was for or from. */
static bool becomes(enum who from, enum who to, enum who after)
{
	struct tcpmig_endpoint client = endpoint_of(CLIENT), server = endpoint_of(after);
	struct test_packet in, out;
	bool leaves = from == CLIENT;
	int verdict = send_packet(from, to, TCP_DATA, &in, &out);

	return verdict == (leaves ? REDIRECT : NEXT) &&
	       !packet_compare(&in, &out, leaves ? &client : &server, leaves ? &server : &client);
}

static bool has_flow(enum who client)
{
	struct tcpmig_flow_key key = { .remote = endpoint_of(OLD), .local = endpoint_of(client) };
	struct tcpmig_flow flow;

	return !tables_get_flow(&tables, &key, &flow);
}

static struct tcpmig_flow_key wire_key(enum who peer, enum who client)
{
	return (struct tcpmig_flow_key){ .remote = endpoint_of(peer),
					 .local = endpoint_of(client) };
}

static bool has_wire(enum who peer, enum who client)
{
	struct tcpmig_flow_key key = wire_key(peer, client);
	struct tcpmig_wire wire;

	return !tables_get_wire(&tables, &key, &wire);
}

/* As a connection of this host: BPF remembers it as soon as it has talked. */
static void redirect_local(enum who who)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct tcpmig_owner next = { .peer = endpoint_of(who) };
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_SOCKETS };
	struct rules_outcome outcome = {};

	assert_int_equal(rules_redirect(&tables, &old, &next, false, &flows, &outcome), 0);
}

static struct tcpmig_rule *the_rule(void)
{
	struct tcpmig_endpoint old = endpoint_of(OLD);

	for (int slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		struct tcpmig_rule *rule = &tables.rules[slot];

		if (tcpmig_word_state(rule->word) && !memcmp(&rule->old, &old, sizeof(old)))
			return rule;
	}
	fail_msg("there is no rule");
	return NULL;
}

static struct tcpmig_owner *the_owner(void)
{
	struct tcpmig_rule *rule = the_rule();

	return &rule->owner[tcpmig_word_hop(rule->word) % TCPMIG_HOPS_MAX];
}

/* No entry is made for what may not leave: neither of a new flow, nor the way back. */
static void nothing_is_made_for_it(void **state)
{
	struct tcpmig_flow_key key;

	(void)state;
	for (family = 0; family < 2; family++) {
		redirect(NEW, false);
		ALLOW(OLD_EXACT, STRANGER_ANY_PORT);
		assert_true(passes(CLIENT2, OLD, TCP_SYN));
		assert_true(passes(CLIENT2, OLD, TCP_DATA));
		assert_false(has_flow(CLIENT2) || has_wire(NEW, CLIENT2));
		key = wire_key(NEW, CLIENT);
		assert_int_equal(tables_del_wire(&tables, &key), 0);
		assert_true(passes(CLIENT, OLD, TCP_DATA));
		assert_false(has_wire(NEW, CLIENT));

		ALLOW(OLD_EXACT, NEW_AND_THIRD);
		assert_true(becomes(CLIENT, OLD, NEW));
		assert_true(has_wire(NEW, CLIENT));
		assert_int_equal(release(), 0);
		hold(TCPMIG_HOLD_DROP);
		ALLOW(STRANGER_ANY_PORT, NEW_AND_THIRD);
		assert_true(passes(CLIENT2, OLD, TCP_SYN));
		assert_false(has_flow(CLIENT2));
		allow_all();
		clear_rules();
	}
}

/* The client's own error about a packet of NEW goes to OLD, and by the rule to NEW. */
static void errors_that_leave(void **state)
{
	struct tcpmig_endpoint old, client;
	struct test_packet in, out;

	(void)state;
	for (family = 0; family < 2; family++) {
		old = endpoint_of(OLD);
		client = endpoint_of(CLIENT);
		redirect(NEW, false);
		/* A router's error about what OLD has sent, from the client's side of the hook. */
		packet_build(&in, ICMP_TOO_BIG, &old, &client);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT);
		ALLOW(OLD_EXACT, NEW_AND_THIRD);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT);
		ALLOW(OLD_EXACT, STRANGER_ANY_PORT);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
		assert_memory_equal(in.data, out.data, in.len);
		hold(TCPMIG_HOLD_DROP);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), DROP);
		ALLOW(STRANGER_ANY_PORT, NEW_AND_THIRD);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
		allow_all();
		clear_rules();
	}
}

/* What BPF remembers of a flow is void with the policy that has allowed it. */
static void what_was_allowed_before(void **state)
{
	(void)state;
	for (family = 0; family < 2; family++) {
		redirect_local(NEW);
		for (int i = 0; i < 2; i++) { /* the second by the cache */
			assert_true(becomes(CLIENT, OLD, NEW));
			assert_true(becomes(NEW, CLIENT, OLD));
		}
		ALLOW(OLD_EXACT, STRANGER_ANY_PORT); /* there was none */
		assert_true(passes(CLIENT, OLD, TCP_DATA));
		assert_true(passes(NEW, CLIENT, TCP_DATA));
		ALLOW(OLD_EXACT, NEW_AND_THIRD);
		for (int i = 0; i < 2; i++) {
			assert_true(becomes(CLIENT, OLD, NEW));
			assert_true(becomes(NEW, CLIENT, OLD));
		}
		ALLOW(OLD_EXACT, STRANGER_ANY_PORT); /* there was another */
		assert_true(passes(CLIENT, OLD, TCP_DATA));
		assert_true(passes(NEW, CLIENT, TCP_DATA));
		allow_all();
		assert_true(becomes(CLIENT, OLD, NEW));
		ALLOW(STRANGER_ANY_PORT, STRANGER_ANY_PORT); /* never the number of one before */
		assert_true(passes(CLIENT, OLD, TCP_DATA));
		allow_all();
		clear_rules();
	}
}

/*
 * A rule that is written to in place, its word as it was. Of a flow that BPF remembers it sees
 * nothing; of any other it is asked for what stands there now.
 */
static void rules_that_somebody_else_writes(void **state)
{
	struct tcpmig_rule *rule;

	(void)state;
	for (family = 0; family < 2; family++) {
		ALLOW(OLD_EXACT, NEW_AND_THIRD);
		redirect_local(NEW);
		rule = the_rule();
		assert_true(becomes(CLIENT, OLD, NEW));
		assert_true(becomes(NEW, CLIENT, OLD));
		the_owner()->peer = endpoint_of(STRANGER);
		rule->old = endpoint_of(NEW_OTHER_PORT);
		assert_true(becomes(CLIENT, OLD, NEW)); /* by the cache */
		assert_true(becomes(NEW, CLIENT, OLD));
		ALLOW(OLD_EXACT, NEW_AND_THIRD); /* the cache is void, and no packet fills it */
		for (int i = 0; i < 2; i++) {
			assert_true(passes(CLIENT, OLD, TCP_DATA));
			assert_true(passes(CLIENT, OLD, TCP_FIN));
			assert_true(passes(NEW, CLIENT, TCP_DATA));
			assert_true(passes(STRANGER, CLIENT, TCP_DATA));
		}
		rule->word = tcpmig_word(9, 1,
					 TCPMIG_HELD); /* of OLD it may be; of NEW it is not */
		rule->deadline_ns = ~0ULL;
		assert_true(passes(NEW, CLIENT, TCP_DATA));
		rule->word = tcpmig_word(10, 1, TCPMIG_ACTIVE);
		rule->old = endpoint_of(OLD);
		the_owner()->peer = endpoint_of(NEW);
		assert_true(becomes(CLIENT, OLD, NEW));
		allow_all();
		clear_rules();
	}
}

/* An address of the other family: what of it fits a packet may be any address. */
static void owners_of_another_family(void **state)
{
	struct tcpmig_owner *owner;

	(void)state;
	for (family = 0; family < 2; family++) {
		ALLOW(OLD_EXACT, OTHER_FAMILY);
		redirect(NEW, false);
		owner = the_owner();
		owner->peer.family = family ? TCPMIG_AF_INET : TCPMIG_AF_INET6;
		assert_true(passes(CLIENT, OLD, TCP_DATA));
		assert_true(passes(CLIENT, OLD, TCP_RST));
		owner->peer = endpoint_of(NEW);
		allow_all();
		clear_rules();
	}
}

/* ---- at the same time ---- */

struct writer {
	pthread_t thread;
	bool stop;
	void (*write)(unsigned int turn);
	unsigned int turns;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
		w->write(w->turns++);
	return NULL;
}

static void start(struct writer *w, void (*write)(unsigned int turn))
{
	*w = (struct writer){ .write = write };
	assert_int_equal(pthread_create(&w->thread, NULL, write_on, w), 0);
}

static void stop(struct writer *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(w->thread, NULL), 0);
	assert_true(w->turns > 10);
}

static struct tcpmig_policies lists[2];

/* No assertion of cmocka in another thread than its own. */
static void write_lists(unsigned int turn)
{
	if (tables_set_policy(&policy, &lists[turn % 2]))
		abort();
}

/* Both lists allow it, at other places: in no moment it is not allowed. */
static void a_reload_lets_nothing_through(void **state)
{
	static const struct pair pair = { OLD_EXACT, NEW_AND_THIRD };
	__u64 before[TCPMIG_REASONS_COUNT], after[TCPMIG_REASONS_COUNT];
	struct writer w;

	(void)state;
	family = 0;
	redirect_local(NEW);
	for (int i = 0; i < 2; i++) {
		allow_behind(i ? TCPMIG_POLICIES_MAX - 1 : 0, &pair, 1);
		assert_int_equal(tables_get_policy(&policy, &lists[i]), 0);
	}
	assert_int_equal(tables_get_counters(&tables, before), 0);
	start(&w, write_lists);
	for (int i = 0; i < RACE_PACKETS; i++) {
		if (!becomes(CLIENT, OLD, NEW) || !becomes(NEW, CLIENT, OLD))
			fail_msg("packet %d was not rewritten, %u reloads", i, w.turns);
	}
	stop(&w);
	assert_int_equal(tables_get_counters(&tables, after), 0);
	assert_int_equal(before[R(POLICY_DENIED)], after[R(POLICY_DENIED)]);
	allow_all();
	clear_rules();
}

/* Neither allows it, but half of one with half of the other would. */
static void a_reload_is_never_half_done(void **state)
{
	static const struct pair pairs[] = { { OLD_EXACT, STRANGER_ANY_PORT },
					     { STRANGER_ANY_PORT, NEW_AND_THIRD } };
	struct writer w;

	(void)state;
	family = 0;
	redirect_local(NEW);
	for (int i = 0; i < 2; i++) {
		struct tcpmig_policy entry = policy_of(&pairs[i]);

		lists[i] = (struct tcpmig_policies){ .generation = 1,
						     .count = TCPMIG_POLICIES_MAX };
		for (__u32 k = 0; k < TCPMIG_POLICIES_MAX; k++)
			lists[i].list[k] = entry;
	}
	write_lists(0);
	start(&w, write_lists);
	for (int i = 0; i < 4 * RACE_PACKETS; i++) {
		if (!passes(CLIENT, OLD, TCP_DATA) || !passes(NEW, CLIENT, TCP_DATA))
			fail_msg("packet %d was rewritten, %u reloads", i, w.turns);
	}
	stop(&w);
	allow_all();
	clear_rules();
}

static struct tcpmig_owner owners[2], *owner_in_place;

static void write_owner(unsigned int turn)
{
	*(volatile struct tcpmig_owner *)owner_in_place = owners[turn % 2];
}

/* Written to between the check and the rewrite: what is checked is what is used. */
static void an_owner_that_changes_all_the_time(void **state)
{
	struct tcpmig_endpoint src, dst, got;
	unsigned int redirected = 0, passed = 0;
	struct test_packet in, out;
	struct writer w;

	(void)state;
	family = 0;
	src = endpoint_of(CLIENT);
	dst = endpoint_of(OLD);
	redirect(NEW, false);
	allow((struct side)OLD_EXACT, (struct side){ NEW, 0, ANY_PORT, false });
	owners[0].peer = endpoint_of(NEW);
	owners[1].peer = endpoint_of(STRANGER);
	owner_in_place = the_owner();
	packet_build(&in, TCP_DATA, &src, &dst);
	start(&w, write_owner);
	for (int i = 0; i < 10 * RACE_PACKETS; i++) {
		if (run_program(OUT, &in, &out, 0, NULL) != REDIRECT) {
			passed++;
			continue;
		}
		redirected++;
		memcpy(&got.addr32[3], out.data + in.l3 + 16, 4);
		if (got.addr32[3] != owners[0].peer.addr32[3])
			fail_msg("packet %d went to a stranger", i);
	}
	stop(&w);
	assert_true(redirected && passed);
	the_owner()->peer = owners[0].peer;
	allow_all();
	clear_rules();
}

/* ---- the map ---- */

static void check_policy(__u32 generation, __u32 count)
{
	struct tcpmig_policies now;

	assert_int_equal(tables_get_policy(&policy, &now), 0);
	assert_int_equal(now.generation, generation);
	assert_int_equal(now.count, count);
}

/* Numbers never come again, not even after there was no policy for a while. */
static void every_policy_has_its_number(void **state)
{
	struct tcpmig_policies list = { .generation = 77, .count = 3 }, none = {}, now;
	__u32 number;

	(void)state;
	assert_int_equal(tables_set_policy(&policy, &list), 0);
	assert_int_equal(tables_get_policy(&policy, &now), 0);
	number = now.generation;
	check_policy(number, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tables_set_policy(&policy, &none), 0);
		check_policy(0, 0);
	}
	list.count = TCPMIG_POLICIES_MAX;
	assert_int_equal(tables_set_policy(&policy, &list), 0);
	check_policy(number + 1, TCPMIG_POLICIES_MAX);
	list.count++;
	assert_int_equal(tables_set_policy(&policy, &list), -E2BIG);
	check_policy(number + 1, TCPMIG_POLICIES_MAX);
	allow_all();
	allow_all();
}

/* Whoever holds the maps open needs no capability to write them. */
static void it_takes_no_capability(void **state)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};
	struct tcpmig_policies list = { .generation = 1, .count = 2 };
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (syscall(SYS_capset, &header, none))
			_exit(2);
		_exit(tables_set_policy(&policy, &list) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(tables_get_policy(&policy, &list), 0);
	assert_int_equal(list.count, 2);
	allow_all();
}

/* Loaded anew for each: what one that fails leaves is nothing to the next. */
static int load_small(void **state)
{
	(void)state;
	return load_with(125ULL * 1000000000, 64);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, load_small, unload)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(every_policy_has_its_number),
		ALONE(it_takes_no_capability),
		ALONE(what_is_not_allowed_is_left_alone),
		ALONE(nothing_is_made_for_it),
		ALONE(errors_that_leave),
		ALONE(what_was_allowed_before),
		ALONE(rules_that_somebody_else_writes),
		ALONE(owners_of_another_family),
		ALONE(a_reload_lets_nothing_through),
		ALONE(a_reload_is_never_half_done),
		ALONE(an_owner_that_changes_all_the_time),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
