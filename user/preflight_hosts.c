// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What two hosts say of themselves, side by side. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cleanup.h"
#include "preflight.h"

/* Since then bit 0 of TCP_TIMESTAMP says that they are in microseconds. */
#define USEC_MAJOR 6
#define USEC_MINOR 7

bool preflight_source_is_old(const char *release)
{
	int first = 0, second = 0;

	if (sscanf(release, "%d.%d", &first, &second) != 2)
		return false;
	return first < USEC_MAJOR || (first == USEC_MAJOR && second < USEC_MINOR);
}

void preflight_kernels(const char *source, const char *target, struct findings *f)
{
	if (preflight_source_is_old(source) || !preflight_source_is_old(target))
		return;
	findings_add(
		f, "kernel", FINDING_WARN,
		"Linux %s here, %s there: connections whose TCP timestamps are in microseconds (a "
		"route with 'features tcp_usec_ts') cannot go to a kernel before 6.7",
		source, target);
	findings_cure(f, "use no such route, or a newer kernel there");
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct cpu_flags *flags, const char *name)
{
	char **grown = array_grow(flags->names, flags->count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	flags->names = grown;
	grown[flags->count] = strdup(name);
	if (!grown[flags->count])
		return -ENOMEM;
	flags->count++;
	return 0;
}

static int split(char *line, struct cpu_flags *flags)
{
	char *save = NULL;
	int err = 0;

	for (char *name = strtok_r(line, " \t\n", &save); name && !err;
	     name = strtok_r(NULL, " \t\n", &save))
		err = add_name(flags, name);
	return err;
}

int cpu_flags_read(struct cpu_flags *flags)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/cpuinfo", "re");
	_cleanup_free_ char *line = NULL;
	int err = file ? 0 : -errno;
	size_t room = 0;
	char *colon;

	*flags = (struct cpu_flags){};
	while (!err && !flags->count && getline(&line, &room, file) > 0) {
		colon = strchr(line, ':');
		if (colon && (!strncmp(line, "flags\t", 6) || !strncmp(line, "Features\t", 9)))
			err = split(colon + 1, flags);
	}
	if (err)
		cpu_flags_free(flags);
	else if (flags->count)
		qsort(flags->names, flags->count, sizeof(*flags->names), compare_names);
	return err;
}

void cpu_flags_free(struct cpu_flags *flags)
{
	for (size_t i = 0; i < flags->count; i++)
		free(flags->names[i]);
	free(flags->names);
	*flags = (struct cpu_flags){};
}

/*
 * What programs of x86 use, and choose once, as they start; a name that ends in '*' is what
 * names begin with. All others are of the kernel's or the hypervisor's own use. Elsewhere
 * (arm64) each name is of a program's use.
 */
static bool is_used_by_programs(const char *name)
{
	static const char *const used[] = {
		"mmx*",	     "sse*",	   "ssse3",   "pni",	     "avx*",	  "fma*",
		"f16c",	     "bmi*",	   "abm",     "adx",	     "aes",	  "vaes",
		"pclmulqdq", "vpclmulqdq", "sha*",    "gfni",	     "movbe",	  "popcnt",
		"rdrand",    "rdseed",	   "rtm",     "hle",	     "xsave*",	  "lm",
		"cx8",	     "cx16",	   "cmov",    "clflush*",    "clwb",	  "fsgsbase",
		"pku",	     "lahf_lm",	   "rdtscp",  "rdpid",	     "erms",	  "fsrm",
		"amx*",	     "xop",	   "tbm",     "3dnow*",	     "movdiri",	  "movdir64b",
		"fxsr*",     "fpu",	   "tsc",     "waitpkg",     "serialize", "cldemote",
		"enqcmd",    "user_shstk", "xgetbv1", "prefetchwt1", "umip",	  "clzero",
		"sm3",	     "sm4",
	};
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(used); i++) {
		len = strlen(used[i]);
		if (used[i][len - 1] == '*' ? !strncmp(name, used[i], len - 1)
					    : !strcmp(name, used[i]))
			return true;
	}
	return false;
}

static bool has_name(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return false;
}

void preflight_cpu(char *const *source, size_t source_count, char *const *target,
		   size_t target_count, struct findings *f)
{
	bool x86 = has_name(source, source_count, "fpu");
	char missing[400] = "";
	size_t len = 0;

	for (size_t i = 0; i < source_count && len < sizeof(missing) - 1; i++) {
		if ((!x86 || is_used_by_programs(source[i])) &&
		    !has_name(target, target_count, source[i]))
			len += snprintf(missing + len, sizeof(missing) - len, " %s", source[i]);
	}
	if (!len)
		return;
	findings_add(f, "cpu", FINDING_FAIL, "the CPU of the target lacks%s", missing);
	findings_cure(f, "move to a host whose CPU has all that this one has");
}
