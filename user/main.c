// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The command table and what stands before a command. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cleanup.h"
#include "commands.h"
#include "log.h"
#include "pindir.h"
#include "tree_place.h"

static const struct command commands[] = {
	{ "attach", "IFACE [--mode auto|tcx|clsact]",
	  "load the programs, pin them and attach both directions of IFACE", cmd_attach },
	{ "detach", "IFACE|--all", "undo exactly what attach made", cmd_detach },
	{ "hold", "OLD [--max SECONDS] [--hold drop|swallow] [--next NEW] [--flow CLIENT]...",
	  "nothing leaves to OLD, no RST and no ICMP error from there gets in", cmd_hold },
	{ "redirect", "OLD NEW [--established-only] [--flow CLIENT]...",
	  "the packet path to OLD now leads to NEW", cmd_redirect },
	{ "release", "OLD", "end a hold, or a redirect: the path leads to OLD again", cmd_release },
	{ "list", "", "show interfaces, rules and flows", cmd_list },
	{ "stats", "", "show the counters", cmd_stats },
	{ "watch", "", "show what happens, as it happens", cmd_watch },
	{ "gc", "[--idle SECONDS]", "remove the flows of connections that have ended", cmd_gc },
	{ "doctor", "", "look for what is missing or in the way, and name its cure", cmd_doctor },
	{ "agent", "[--config FILE]",
	  "serve hosts that move connections, within what the configuration allows", cmd_agent },
	{ "host", "[--config FILE]",
	  "serve as a host to which processes move, and settle what was interrupted", cmd_host },
	{ "migrate",
	  "--pid PID --to HOST[:PORT] [--new ADDR]... [--new-port PORT] [--dry-run] "
	  "[--require-agents all|any|none] [--max-freeze MS] [--hold drop|swallow] "
	  "[--files check|ignore] [--config FILE] | --resume UUID | --abort UUID",
	  "move a process and its connections to another host, or leave it as it was",
	  cmd_migrate },
	{ "criu-hook", "", "arm and redirect, as criu --action-script", cmd_criu_hook },
	{ "rewrite-images", "DIR --from ADDR[:PORT] --to ADDR[:PORT]",
	  "give the sockets in CRIU images another address", cmd_rewrite_images },
	{ "pki",
	  "init|issue|revoke|show [FILE]... [--dir DIR] [--name NAME] [--days N] [--net PREFIX]... "
	  "[--ip ADDR]... [--role host|agent] [--out PREFIX] [--ca NAME] [--sub-ca NAME]",
	  "a private CA: the certificates of hosts and agents", cmd_pki },
};

static int print_help(FILE *out)
{
	fputs("Usage: tcpmig-bpf [OPTIONS] COMMAND ...\n"
	      "\n"
	      "Keeps TCP connections alive while their server moves to another address.\n"
	      "\n"
	      "Options:\n"
	      "  -j, --json      one JSON document instead of a table\n"
	      "  -v, --verbose   say more; twice: messages of libbpf too\n"
	      "      --pin-dir DIR  where maps and links are pinned (" PINDIR_DEFAULT ")\n"
	      "  -h, --help      this text; after a command: its arguments\n"
	      "  -V, --version   print the version\n"
	      "\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %s%s%s\n        %s\n", commands[i].name,
			*commands[i].args ? " " : "", commands[i].args, commands[i].summary);
	fputs("\nOLD, NEW and CLIENT are ADDR:PORT or [V6]:PORT.\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	      out);
	return 0;
}

static int run_command(struct globals *g, int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(argv[0], commands[i].name)) {
			optind = 0; /* restart getopt on the command's own arguments */
			return commands[i].run(g, &commands[i], argc, argv);
		}
	}
	return log_usage("'%s': no such command; 'tcpmig-bpf --help' lists them", argv[0]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "version", no_argument, NULL, 'V' },
		ARGS_GLOBAL,
	};
	struct globals g = { .pin_dir = PINDIR_DEFAULT };
	int c;

	if (tree_place_is_init(argc, argv))
		return tree_place_init();
	log_init();
	while ((c = getopt_long(argc, argv, "+:jvhV", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			g.json = true;
			break;
		case 'v':
			log_verbosity++;
			break;
		case ARG_PIN_DIR:
			g.pin_dir = optarg;
			break;
		case 'h':
			return print_help(stdout);
		case 'V':
			puts("tcpmig-bpf " TCPMIG_VERSION);
			return 0;
		case ':':
			return log_usage("'%s': a value is missing; 'tcpmig-bpf --help' says more",
					 argv[optind - 1]);
		default:
			return log_usage("'%s': no such option; 'tcpmig-bpf --help' lists them",
					 argv[optind - 1]);
		}
	}
	/* criu calls an action script without arguments, and a command line is none to it. */
	if (optind == argc && getenv("CRTOOLS_SCRIPT_ACTION"))
		return run_command(&g, 1, (char *[]){ "criu-hook", NULL });
	if (optind == argc)
		return log_usage("a command is missing; 'tcpmig-bpf --help' lists them");
	return run_command(&g, argc - optind, argv + optind);
}
