// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the programs cost the verifier (root): it gives up at a million instructions, and
 * older or newer kernels count otherwise, so we stay far below. Also in build/verifier.txt.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "tcpmig.skel.h"
#include "tcpmig_plain.skel.h"

#define VERIFIED_INSNS_MAX 100000

static const char *self;

static void print_to_both(FILE *file, const char *name, const char *build, unsigned int l2_len,
			  const struct bpf_prog_info *info)
{
	FILE *to[] = { stdout, file };

	for (int i = 0; i < 2; i++)
		fprintf(to[i],
			"%s%-16s %-5s l2_len %2u: verified %6u insns, xlated %6u, jited %6u "
			"bytes\n",
			i ? "" : "# ", name, build, l2_len, info->verified_insns,
			info->xlated_prog_len, info->jited_prog_len);
}

static void measure_object(FILE *file, struct bpf_object *obj, const char *build,
			   unsigned int l2_len)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
	{
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
		print_to_both(file, bpf_program__name(prog), build, l2_len, &info);
		assert_in_range(info.verified_insns, 1, VERIFIED_INSNS_MAX);
	}
}

static void measure_full(FILE *file, unsigned int l2_len)
{
	struct tcpmig *skel = tcpmig__open();

	assert_non_null(skel);
	skel->rodata->l2_len = l2_len;
	skel->rodata->use_timer = kernel_has_timers();
	assert_int_equal(tcpmig__load(skel), 0);
	measure_object(file, skel->obj, "full", l2_len);
	tcpmig__destroy(skel);
}

static void measure_plain(FILE *file, unsigned int l2_len)
{
	struct tcpmig_plain *skel = tcpmig_plain__open();

	assert_non_null(skel);
	skel->rodata->l2_len = l2_len;
	skel->rodata->use_timer = kernel_has_timers();
	assert_int_equal(tcpmig_plain__load(skel), 0);
	measure_object(file, skel->obj, "plain", l2_len);
	tcpmig_plain__destroy(skel);
}

static void measure(FILE *file, unsigned int l2_len)
{
	if (kernel_shows_skb())
		measure_full(file, l2_len);
	else
		printf("# the full build is not for this kernel: no bpf_cast_to_kern_ctx()\n");
	measure_plain(file, l2_len);
}

static void programs_are_far_from_the_limit(void **state)
{
	char here[4096], path[4200];
	FILE *file;

	(void)state;
	snprintf(here, sizeof(here), "%s", self);
	snprintf(path, sizeof(path), "%s/../../verifier.txt", dirname(here));
	file = fopen(path, "w");
	assert_non_null(file);
	measure(file, 14);
	measure(file, 0);
	assert_int_equal(fclose(file), 0);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_far_from_the_limit),
	};

	(void)argc;
	self = argv[0];
	return cmocka_run_group_tests_name("verifier", tests, NULL, NULL);
}
