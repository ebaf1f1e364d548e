# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Certificates: the good ones by `tcpmig-bpf pki`, the bad ones by openssl, signed with the very
key of the CA that the agent trusts, so that nothing but the one flaw can be why."""
import datetime
import hashlib
import json
import subprocess

from lab import PROGRAM, run

POLICY_OID = "2.25.128620353451819874040391592202772538986"
CA_EXTENSIONS = """basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
certificatePolicies = {policy}
"""
CA_CONF = """[ca]
default_ca = this
[this]
database = {dir}/{name}.index
new_certs_dir = {dir}/{name}.new
certificate = {cert}
private_key = {key}
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
"""


class Leaf:
    """What a certificate says, unless told otherwise: what one of a host must say."""

    def __init__(self, **but):
        self.common_name = but.get("common_name", "a test")
        self.san = but.get("san", "IP:10.9.0.2, IP:fd09::2")
        self.usage = but.get("usage", "clientAuth, serverAuth")
        self.policy = but.get("policy", POLICY_OID)
        self.starts_s = but.get("starts_s", -3600)
        self.ends_s = but.get("ends_s", 3600)
        self.key = but.get("key", "ec:prime256v1")

    def extensions(self):
        lines = ["basicConstraints = critical, CA:FALSE", "keyUsage = critical, digitalSignature",
                 "subjectKeyIdentifier = hash", "authorityKeyIdentifier = keyid"]
        lines += [f"extendedKeyUsage = {self.usage}"] if self.usage else []
        lines += [f"certificatePolicies = {self.policy}"] if self.policy else []
        lines += [f"subjectAltName = {self.san}"] if self.san else []
        return "\n".join(lines) + "\n"


def moment(seconds):
    """In so many seconds from now, as openssl reads it."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y%m%d%H%M%SZ")


class Certs:
    """A folder: NAME.crt and NAME.key of each, ca.crt, ca.crl; all.crl for the agent."""

    def __init__(self, folder):
        self.dir = folder
        self.dir.mkdir(0o700)
        run(PROGRAM, "pki", "init", "--dir", folder, "--name", "deny")
        self.sub_ca("sub", "10.8.0.0/16")
        self.issue("agent", "agent", "10.9.0.1", "fd09::1")
        for number, host in enumerate("ABC", 2):
            self.issue(host, "host", f"10.9.0.{number}", f"fd09::{number}")
        self.foreign = []
        self.signer("ca", "ca.crt", "ca.key")
        self.signer("sub", "sub.crt", "sub.key")

    def path(self, name):
        return self.dir / name

    def sub_ca(self, name, net):
        run(PROGRAM, "pki", "issue", "--dir", self.dir, "--sub-ca", name, "--net", net)

    def issue(self, name, role, *addrs, ca=None):
        """By the product. Return: SHA-256 of its key, as it says it."""
        words = [word for addr in addrs for word in ("--ip", addr)]
        words += ["--ca", ca] if ca else []
        said = run(PROGRAM, "-j", "pki", "issue", "--dir", self.dir, "--role", role, *words,
                   "--out", self.path(name))
        return json.loads(said)["key_sha256"]

    def revoke(self, name):
        run(PROGRAM, "pki", "revoke", "--dir", self.dir, self.path(f"{name}.crt"))

    def signer(self, name, cert, key):
        """Have openssl sign with this certificate and key, whatever it is."""
        self.path(f"{name}.index").write_text("")
        self.path(f"{name}.new").mkdir()
        self.path(f"{name}.conf").write_text(CA_CONF.format(
            dir=self.dir, name=name, cert=self.path(cert), key=self.path(key)))

    def foreign_ca(self, name):
        """A CA of somebody else, which knows all that ours would say."""
        self.path(f"{name}.ext").write_text(
            "[req]\ndistinguished_name = dn\n[dn]\n[ca]\n" +
            CA_EXTENSIONS.format(policy=POLICY_OID))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", 2, "-subj", f"/CN={name}", "-config", self.path(f"{name}.ext"),
            "-extensions", "ca", "-keyout", self.path(f"{name}.key"),
            "-out", self.path(f"{name}.crt"))
        self.signer(name, f"{name}.crt", f"{name}.key")
        run("openssl", "ca", "-gencrl", "-config", self.path(f"{name}.conf"), "-crldays", 2,
            "-out", self.path(f"{name}.crl"))
        self.foreign.append(name)

    def write_crls(self):
        """With those of foreign CAs: that theirs are missing is not to be why they are refused."""
        self.path("all.crl").write_text("".join(
            self.path(f"{name}.crl").read_text() for name in ["ca"] + self.foreign))

    def request(self, name, leaf):
        kind, _, value = leaf.key.partition(":")
        option = f"ec_paramgen_curve:{value}" if kind == "ec" else f"rsa_keygen_bits:{value}"
        run("openssl", "req", "-new", "-newkey", kind, "-pkeyopt", option, "-nodes",
            "-subj", f"/CN={leaf.common_name}", "-keyout", self.path(f"{name}.key"),
            "-out", self.path(f"{name}.csr"))

    def forge(self, name, leaf, ca="ca", chain=()):
        """By openssl, with the key of ca; chain: certificates to be sent along."""
        self.request(name, leaf)
        self.path(f"{name}.ext").write_text(leaf.extensions())
        run("openssl", "ca", "-batch", "-notext", "-config", self.path(f"{ca}.conf"),
            "-in", self.path(f"{name}.csr"), "-extfile", self.path(f"{name}.ext"),
            "-startdate", moment(leaf.starts_s), "-enddate", moment(leaf.ends_s),
            "-out", self.path(f"{name}.crt"))
        with self.path(f"{name}.crt").open("a", encoding="ascii") as out:
            for cert in chain:
                out.write(self.path(f"{cert}.crt").read_text())

    def self_sign(self, name, leaf):
        self.request(name, leaf)
        self.path(f"{name}.ext").write_text(leaf.extensions())
        run("openssl", "x509", "-req", "-days", 2, "-in", self.path(f"{name}.csr"),
            "-signkey", self.path(f"{name}.key"), "-extfile", self.path(f"{name}.ext"),
            "-out", self.path(f"{name}.crt"))

    def key_sha256(self, name):
        """Of its SubjectPublicKeyInfo, by openssl."""
        pem = run("openssl", "x509", "-in", self.path(f"{name}.crt"), "-noout", "-pubkey")
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem.encode(),
                             stdout=subprocess.PIPE, check=True, timeout=10).stdout
        return hashlib.sha256(der).digest()
