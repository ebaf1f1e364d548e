// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/tls.c, tls_peer.c: certificates that are as they should be but for one thing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

#include "certs.h"
#include "cleanup.h"

static void no_client_certificate(void **state)
{
	(void)state;
	refuses_host(agent_tls, NULL, NULL, NULL, "peer did not return a certificate");
}

/* Each is a host's certificate but for one thing; the root has signed it. */
static const struct {
	struct recipe recipe;
	const char *words;
} bad_hosts[] = {
	{ { HOST, .to_s = -60 }, "it has expired" },
	{ { HOST, .from_s = 600 }, "it is not valid yet" },
	{ { HOST, .extended = "serverAuth" }, "extended key usage" },
	{ { HOST, .extended = NULL }, "extended key usage" },
	{ { HOST, .extended = "anyExtendedKeyUsage" }, "extended key usage" },
	{ { HOST, .extended = "emailProtection" }, "extended key usage" },
	{ { HOST, .usage = "critical,keyEncipherment" }, "extended key usage" },
	{ { HOST, .policy = NULL }, "lacks the certificate policy" },
	{ { HOST, .policy = "2.25.1" }, "lacks the certificate policy" },
	{ { HOST, .policy = "2.5.29.32.0" }, "lacks the certificate policy" }, /* any */
	{ { HOST, .rsa_bits = 1024 }, "key is too weak" },
	{ { HOST, .basic = "critical,CA:TRUE", .usage = "critical,digitalSignature,keyCertSign" },
	  "extended key usage" },
};

static void hosts_with_one_thing_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_hosts); i++) {
		struct recipe recipe = bad_hosts[i].recipe;
		struct pki_ca bad;
		char why[TLS_WHY_LEN];

		recipe.ca = &root;
		bad = cook(&recipe);
		refuses_host(agent_tls, &bad, NULL, NULL, bad_hosts[i].words);
		/* and itself, before anybody else does */
		assert_null(new_tls(TLS_HOST, root.cert, -1, &bad, NULL, why));
		pki_ca_free(&bad);
	}
}

static void good_recipe_is_good(void **state)
{
	struct recipe recipe = { HOST, .ca = &root };
	struct pki_ca good = cook(&recipe);
	struct tls *tls = good_tls(TLS_HOST, root.cert, -1, &good, NULL);
	struct meeting m = { tls_session(agent_tls), tls_session(tls), "", "" };

	(void)state;
	meet(&m);
	assert_well(&m);
	part(&m);
	tls_free(tls);
	pki_ca_free(&good);
}

static void agent_gives_no_orders(void **state)
{
	char why[TLS_WHY_LEN];

	(void)state;
	refuses_host(agent_tls, &agent, NULL, NULL, "extended key usage");
	assert_null(new_tls(TLS_HOST, root.cert, -1, &agent, NULL, why));
	assert_says(why, "the certificate file: ");
	assert_says(why, "clientAuth");
}

static void other_ca(void **state)
{
	struct pki_ca stranger = issue(&other_root, CERT_HOST, "10.9.0.2", NULL);
	struct recipe alone = { HOST };
	struct pki_ca self_signed = cook(&alone);

	(void)state;
	refuses_host(agent_tls, &stranger, NULL, NULL, "it is not from our CA");
	refuses_host(agent_tls, &stranger, other_root.cert, NULL,
		     "it is from a CA that is not ours");
	refuses_host(agent_tls, &self_signed, NULL, NULL, "signed by itself");
	refuses_host(agent_tls, &root, NULL, NULL, ""); /* even with the key of our CA */
	pki_ca_free(&stranger);
	pki_ca_free(&self_signed);
}

/* A leaf that is its own root, and stands in the CA file, is still no leaf of a CA. */
static void certificate_in_the_ca_file(void **state)
{
	struct recipe alone = { HOST };
	struct pki_ca self = cook(&alone);
	struct tls *tls = agent_of_cas(self.cert, root.cert, &agent);

	(void)state;
	refuses_host(tls, &self, NULL, NULL, "signed by itself");
	tls_free(tls);
	pki_ca_free(&self);
}

/* A CA in the CA file that is not a root is no reason to trust anybody. */
static void chain_that_ends_below_a_root(void **state)
{
	struct pki_ca own = issue(&other_root, CERT_AGENT, "10.9.0.1", NULL);
	struct tls *tls = agent_of_cas(other_root.cert, sub.cert, &own);

	(void)state;
	refuses_host(tls, &sub_host, NULL, NULL, "it is not from our CA");
	tls_free(tls);
	pki_ca_free(&own);
}

static void no_system_store_nor_environment(void **state)
{
	struct pki_ca stranger = issue(&other_root, CERT_HOST, "10.9.0.2", NULL);
	char path[] = "/tmp/test-tls-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	struct tls *tls;

	(void)state;
	PEM_write_X509(file, other_root.cert);
	fclose(file);
	setenv("SSL_CERT_FILE", path, 1);
	tls = good_tls(TLS_AGENT, root.cert, -1, &agent, NULL);
	refuses_host(tls, &stranger, NULL, NULL, "it is not from our CA");
	refuses_host(tls, &stranger, other_root.cert, NULL, "it is from a CA that is not ours");
	unsetenv("SSL_CERT_FILE");
	unlink(path);
	tls_free(tls);
	pki_ca_free(&stranger);
}

static void sub_cas_with_one_thing_wrong(void **state)
{
	static const struct {
		struct recipe sub;
		struct recipe host;
		const char *words;
	} bad[] = {
		{ { SUB_CA, .policy = NULL }, { HOST }, "lacks the certificate policy" },
		{ { SUB_CA, .policy = "2.5.29.32.0" }, { HOST }, "lacks the certificate policy" },
		{ { SUB_CA, .policy = TLS_POLICY_OID ",2.25.1",
		    .mapping = TLS_POLICY_OID ":2.25.1" },
		  { HOST, .policy = "2.25.1" },
		  "lacks the certificate policy" },
		{ { SUB_CA, .constraints = "critical,permitted;IP:10.8.0.0/255.255.0.0" },
		  { HOST },
		  "outside the networks of its CA" },
		{ { SUB_CA, .constraints = "critical,permitted;IP:10.9.0.0/255.255.0.0" },
		  { HOST, .san = "IP:10.9.0.2,IP:fd09::2" },
		  "outside the networks of its CA" },
		{ { SUB_CA, .constraints = "critical,excluded;IP:10.9.0.0/255.255.0.0" },
		  { HOST },
		  "excluded for its CA" },
		{ { SUB_CA, .basic = "critical,CA:FALSE", .usage = "critical,digitalSignature" },
		  { HOST },
		  "invalid CA certificate" },
		{ { SUB_CA, .basic = "CA:TRUE" }, { HOST }, "not marked critical" },
		{ { SUB_CA, .to_s = -60 }, { HOST }, "it has expired" },
		{ { SUB_CA, .extended = "serverAuth" }, { HOST }, "extended key usage" },
		{ { SUB_CA, .rsa_bits = 1024 }, { HOST }, "CA above it is too weak" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct recipe sub_recipe = bad[i].sub, host_recipe = bad[i].host;
		struct pki_ca bad_sub, leaf;

		sub_recipe.ca = &root;
		bad_sub = cook(&sub_recipe);
		host_recipe.ca = &bad_sub;
		leaf = cook(&host_recipe);
		refuses_host(agent_tls, &leaf, bad_sub.cert, NULL, bad[i].words);
		pki_ca_free(&bad_sub);
		pki_ca_free(&leaf);
	}
}

/* pki.c gives a sub-CA pathlen 0. */
static void sub_ca_makes_no_ca(void **state)
{
	struct recipe sub_recipe = { SUB_CA, .ca = &sub },
		      host_recipe = { HOST, .san = "IP:10.8.0.3" };
	struct pki_ca below = cook(&sub_recipe), leaf;

	(void)state;
	host_recipe.ca = &below;
	leaf = cook(&host_recipe);
	refuses_host(agent_tls, &leaf, below.cert, sub.cert, "path length");
	pki_ca_free(&below);
	pki_ca_free(&leaf);
}

static void root_that_is_confined_to_networks(void **state)
{
	struct pki_ca confined = issue(NULL, CERT_ROOT, NULL, "10.9.0.0/24");
	struct pki_ca inside = issue(&confined, CERT_AGENT, "10.9.0.1", NULL);
	struct recipe recipe = { HOST, .ca = &confined, .san = "IP:10.9.1.2" };
	struct pki_ca outside = cook(&recipe);
	struct tls *tls = good_tls(TLS_AGENT, confined.cert, -1, &inside, NULL);

	(void)state;
	refuses_host(tls, &outside, NULL, NULL, "outside the networks of its CA");
	tls_free(tls);
	pki_ca_free(&confined);
	pki_ca_free(&inside);
	pki_ca_free(&outside);
}

static void signature_with_sha1(void **state)
{
	struct recipe sub_recipe = { SUB_CA, .ca = &root, .md = EVP_sha1() };
	struct recipe host_recipe = { HOST };
	struct pki_ca weak = cook(&sub_recipe), leaf;

	(void)state;
	host_recipe.ca = &weak;
	leaf = cook(&host_recipe);
	refuses_host(agent_tls, &leaf, weak.cert, NULL, "digest of its signature is too weak");
	pki_ca_free(&weak);
	pki_ca_free(&leaf);
}

static X509_CRL *old_crl(const struct pki_ca *ca)
{
	X509_CRL *crl = pki_crl(ca, NULL, NULL);
	ASN1_TIME *time = X509_gmtime_adj(NULL, -60);

	X509_CRL_set1_nextUpdate(crl, time);
	X509_CRL_sign(crl, ca->key, EVP_sha256());
	ASN1_TIME_free(time);
	return crl;
}

static void refuses_by_crl(int crl, const struct pki_ca *own, X509 *above, const char *words)
{
	struct tls *tls = good_tls(TLS_AGENT, root.cert, crl, &agent, NULL);

	refuses_host(tls, own, above, NULL, words);
	tls_free(tls);
}

static void revoked(void **state)
{
	char why[TLS_WHY_LEN];

	(void)state;
	refuses_by_crl(crl_file(pki_crl(&root, NULL, host.cert), NULL), &host, NULL,
		       "it has been revoked");
	refuses_by_crl(crl_file(pki_crl(&root, NULL, NULL), pki_crl(&sub, NULL, sub_host.cert)),
		       &sub_host, sub.cert, "it has been revoked");
	refuses_by_crl(crl_file(pki_crl(&root, NULL, sub.cert), pki_crl(&sub, NULL, NULL)),
		       &sub_host, sub.cert, "it has been revoked");
	refuses_by_crl(crl_file(pki_crl(&root, NULL, NULL), NULL), &sub_host, sub.cert,
		       "no CRL of the CA that issued it");
	refuses_by_crl(crl_file(pki_crl(&root, NULL, NULL), old_crl(&sub)), &sub_host, sub.cert,
		       "out of date");
	/* signed by somebody else in the name of the root: whichever is found first */
	assert_null(new_tls(TLS_AGENT, root.cert, crl_file(pki_crl(&other_root, NULL, NULL), NULL),
			    &agent, NULL, why));
	/* and its own */
	assert_null(new_tls(TLS_AGENT, root.cert, crl_file(pki_crl(&root, NULL, agent.cert), NULL),
			    &agent, NULL, why));
	assert_says(why, "it has been revoked");
}

/* The second CRL keeps what the first has. */
static void revoked_stays_revoked(void **state)
{
	X509_CRL *first = pki_crl(&root, NULL, host.cert);
	X509_CRL *second = pki_crl(&root, first, agent.cert);
	X509_REVOKED *entry;

	(void)state;
	assert_int_equal(X509_CRL_get0_by_cert(second, &entry, host.cert), 1);
	assert_int_equal(X509_CRL_get0_by_cert(second, &entry, agent.cert), 1);
	assert_int_equal(X509_CRL_get0_by_cert(second, &entry, sub.cert), 0);
	X509_CRL_free(first);
	X509_CRL_free(second);
}

static void tls_1_2(void **state)
{
	struct meeting m = { tls_session(agent_tls), rogue(TLS_client_method(), &host, NULL, NULL),
			     "", "" };

	(void)state;
	SSL_set_max_proto_version(m.host, TLS1_2_VERSION);
	SSL_set_connect_state(m.host);
	meet(&m);
	assert_says(m.agent_why, "unsupported protocol");
	part(&m);
	m = (struct meeting){ rogue(TLS_server_method(), &agent, NULL, NULL), tls_session(host_tls),
			      "", "" };
	SSL_set_max_proto_version(m.agent, TLS1_2_VERSION);
	SSL_set_accept_state(m.agent);
	meet(&m);
	assert_says(m.host_why, "protocol version");
	part(&m);
}

static void hosts_are_as_careful(void **state)
{
	struct pki_ca stranger = issue(&other_root, CERT_AGENT, "10.9.0.1", NULL);
	struct recipe client_only = { HOST, .ca = &root, .extended = "clientAuth" };
	struct recipe expired = { HOST, .ca = &root, .to_s = -60 };
	struct recipe lacks_policy = { HOST, .ca = &root, .policy = NULL };
	struct pki_ca bad = cook(&client_only);

	(void)state;
	refuses_agent(host_tls, &stranger, "it is not from our CA");
	refuses_agent(host_tls, &bad, "extended key usage");
	pki_ca_free(&bad);
	bad = cook(&expired);
	refuses_agent(host_tls, &bad, "it has expired");
	pki_ca_free(&bad);
	bad = cook(&lacks_policy);
	refuses_agent(host_tls, &bad, "lacks the certificate policy");
	pki_ca_free(&bad);
	pki_ca_free(&stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_client_certificate),
		cmocka_unit_test(hosts_with_one_thing_wrong),
		cmocka_unit_test(good_recipe_is_good),
		cmocka_unit_test(agent_gives_no_orders),
		cmocka_unit_test(other_ca),
		cmocka_unit_test(certificate_in_the_ca_file),
		cmocka_unit_test(chain_that_ends_below_a_root),
		cmocka_unit_test(no_system_store_nor_environment),
		cmocka_unit_test(sub_cas_with_one_thing_wrong),
		cmocka_unit_test(sub_ca_makes_no_ca),
		cmocka_unit_test(root_that_is_confined_to_networks),
		cmocka_unit_test(signature_with_sha1),
		cmocka_unit_test(revoked),
		cmocka_unit_test(revoked_stays_revoked),
		cmocka_unit_test(tls_1_2),
		cmocka_unit_test(hosts_are_as_careful),
	};

	return cmocka_run_group_tests_name("tls_refused", tests, certs_make, certs_free);
}
