// Daemons reached over TCP: TLS both ways, what a client is told when trust fails, and how it finds
// the daemon.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/e2e/fixture.h"

namespace cairn::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RemoteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // An authority and what it has signed; and one that nobody trusts.
    MakeAuthority("ca");
    MakeAuthority("stranger");
    MakeCertificate("server", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1");
    MakeCertificate("client", "ca", "extendedKeyUsage=clientAuth");
    MakeCertificate("intruder", "stranger", "extendedKeyUsage=clientAuth");
    directory_.Write("context/Dockerfile", "FROM scratch\nCOPY a.txt /\n");
    directory_.Write("context/a.txt", "over the wire\n");
  }

  std::string File(const std::string& name) const { return directory_ / ("pki/" + name); }

  void OpenSsl(std::vector<std::string> arguments) {
    std::filesystem::create_directories(directory_ / "pki");
    arguments.insert(arguments.begin(), "openssl");
    const CommandOutput done = RunProgram(std::move(arguments));
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }

  void MakeAuthority(const std::string& name) {
    OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=" + name, "-keyout", File(name + ".key"), "-out",
             File(name + ".crt")});
  }

  void MakeCertificate(const std::string& name, const std::string& authority,
                       const std::string& extension) {
    OpenSsl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
             "/CN=" + name, "-keyout", File(name + ".key"), "-out", File(name + ".csr")});
    directory_.Write("pki/" + name + ".ext", extension + "\n");
    OpenSsl({"x509", "-req", "-in", File(name + ".csr"), "-CA", File(authority + ".crt"), "-CAkey",
             File(authority + ".key"), "-CAcreateserial", "-days", "2", "-extfile",
             File(name + ".ext"), "-out", File(name + ".crt")});
  }

  // Starts a daemon that listens on TCP as well; `flags` are its TLS flags.
  void StartDaemon(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--addr", "tcp://127.0.0.1:0"});
    ASSERT_OK_AND_ASSIGN(daemon_, Daemon::Start(directory_.path(), {.flags = std::move(flags)}));
    // The log says which port it was given.
    const std::string log = daemon_->Log();
    const size_t at = log.find("tcp://127.0.0.1:", log.find("addresses="));
    ASSERT_NE(at, std::string::npos) << log;
    tcp_ = log.substr(at, log.find_first_of(" \"\n", at) - at);
  }

  // Daemon flags of TLS with a server certificate; with the CA of clients if wanted.
  std::vector<std::string> ServerFlags(bool mutual) const {
    std::vector<std::string> flags = {"--tlscert", File("server.crt"), "--tlskey",
                                      File("server.key")};
    if (mutual) {
      flags.insert(flags.end(), {"--tlscacert", File("ca.crt")});
    }
    return flags;
  }

  CommandOutput BuildOver(const std::string& address, std::vector<std::string> flags) {
    std::filesystem::remove_all(directory_ / "out");
    std::vector<std::string> argv = {"cairn", "--addr", address};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {"build", "-o", directory_ / "out", directory_ / "context"});
    return RunProgram(argv);
  }

  void ExpectBuilds(const CommandOutput& build) {
    ASSERT_EQ(build.exit_code, 0) << build.err << daemon_->Log();
    EXPECT_EQ(directory_.Read("out/a.txt"), "over the wire\n");
  }

  const testing::TempDir directory_;
  std::unique_ptr<Daemon> daemon_;
  std::string tcp_;
};

TEST_F(RemoteTest, PlainTcpServesAndIsWarnedAbout) {
  StartDaemon({});
  ExpectBuilds(BuildOver(tcp_, {}));
  EXPECT_THAT(daemon_->Log(), HasSubstr("TCP without TLS"));
}

TEST_F(RemoteTest, TheServersCertificateIsChecked) {
  StartDaemon(ServerFlags(false));
  ExpectBuilds(BuildOver(tcp_, {"--tlscacert", File("ca.crt")}));
  // The certificate is for localhost too, and may be asked for by any name it has.
  const std::string port = tcp_.substr(tcp_.rfind(':'));
  ExpectBuilds(BuildOver("tcp://localhost" + port, {"--tlscacert", File("ca.crt")}));
  ExpectBuilds(BuildOver(tcp_, {"--tlscacert", File("ca.crt"), "--tlsservername", "localhost"}));

  const CommandOutput distrusted = BuildOver(tcp_, {"--tlscacert", File("stranger.crt")});
  EXPECT_EQ(distrusted.exit_code, 1);
  EXPECT_THAT(distrusted.err, AllOf(HasSubstr(tcp_.substr(6)), HasSubstr("certificate")));
  const CommandOutput other =
      BuildOver(tcp_, {"--tlscacert", File("ca.crt"), "--tlsservername", "other.test"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, AllOf(HasSubstr("other.test"), HasSubstr("--tlsservername")));
  const CommandOutput plain = BuildOver(tcp_, {});
  EXPECT_EQ(plain.exit_code, 1);
  EXPECT_THAT(plain.err, AllOf(HasSubstr(tcp_.substr(6)), HasSubstr("--tlscacert")));
}

TEST_F(RemoteTest, ClientsProveWhoTheyAreWhenAskedTo) {
  StartDaemon(ServerFlags(true));
  ExpectBuilds(BuildOver(tcp_, {"--tlscacert", File("ca.crt"), "--tlscert", File("client.crt"),
                                "--tlskey", File("client.key")}));
  // The unix socket asks nobody for a certificate.
  ExpectBuilds(BuildOver(daemon_->address(), {}));

  const CommandOutput nobody = BuildOver(tcp_, {"--tlscacert", File("ca.crt")});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.err, AllOf(HasSubstr(tcp_.substr(6)), HasSubstr("--tlscert")));
  const CommandOutput intruder =
      BuildOver(tcp_, {"--tlscacert", File("ca.crt"), "--tlscert", File("intruder.crt"), "--tlskey",
                       File("intruder.key")});
  EXPECT_EQ(intruder.exit_code, 1);
  EXPECT_THAT(intruder.err, HasSubstr(tcp_.substr(6)));
  const CommandOutput half =
      BuildOver(tcp_, {"--tlscacert", File("ca.crt"), "--tlscert", File("client.crt")});
  EXPECT_EQ(half.exit_code, 1);
  EXPECT_THAT(half.err, HasSubstr("--tlskey"));
  // All that did the daemon no harm.
  ExpectBuilds(BuildOver(tcp_, {"--tlscacert", File("ca.crt"), "--tlscert", File("client.crt"),
                                "--tlskey", File("client.key")}));
}

TEST_F(RemoteTest, TlsOfTheConfigurationFileCounts) {
  ASSERT_OK_AND_ASSIGN(
      daemon_, Daemon::Start(directory_.path(),
                             {.flags = {"--addr", "tcp://127.0.0.1:0"},
                              .config = absl::StrCat("[grpc.tls]\n  cert = \"", File("server.crt"),
                                                     "\"\n  key = \"", File("server.key"),
                                                     "\"\n  ca = \"", File("ca.crt"), "\"\n")}));
  const std::string log = daemon_->Log();
  EXPECT_EQ(log.find("TCP without TLS"), std::string::npos);
}

TEST_F(RemoteTest, TheEnvironmentNamesTheDaemon) {
  StartDaemon({});
  const std::string none = "unix://" + (directory_ / "none.sock");
  for (const std::vector<std::string>& environment :
       {std::vector<std::string>{"CAIRN_HOST=" + tcp_},
        {"BUILDKIT_HOST=" + tcp_},
        {"CAIRN_HOST=" + daemon_->address(), "BUILDKIT_HOST=" + none}}) {
    EXPECT_EQ(RunProgram({"cairn", "workers"}, environment).exit_code, 0) << environment.front();
  }
  EXPECT_EQ(RunProgram({"cairn", "--addr", tcp_, "workers"}, {"CAIRN_HOST=" + none}).exit_code, 0);
  const CommandOutput odd = RunProgram({"cairn", "workers"}, {"CAIRN_HOST=/run/cairnd.sock"});
  EXPECT_EQ(odd.exit_code, 1);
  EXPECT_THAT(odd.err, AllOf(HasSubstr("/run/cairnd.sock"), HasSubstr("want unix:///path")));
}

TEST_F(RemoteTest, AddressesThatCannotBeListenedOnAreNamed) {
  struct Case {
    std::vector<std::string> flags;
    std::string what;
  };
  const Case cases[] = {
      {{"--addr", "carrier-pigeon://x"}, "must start with unix://, tcp:// or fd://"},
      {{"--addr", "tcp://127.0.0.1"}, "write tcp://HOST:PORT"},
      {{"--addr", "tcp://192.0.2.1:1"}, "tcp://192.0.2.1:1"},
      {{"--addr", "fd://"}, "systemd passed no sockets"},
      {{"--addr", "tcp://127.0.0.1:0", "--tlscert", File("server.crt")},
       "both a certificate and a key"},
      {{"--addr", "tcp://127.0.0.1:0", "--tlscert", "/nowhere.crt", "--tlskey", "/nowhere.key"},
       "/nowhere.key"},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.what);
    std::vector<std::string> argv = {"cairnd", "--root", directory_ / "root"};
    argv.insert(argv.end(), bad.flags.begin(), bad.flags.end());
    const CommandOutput failed = RunProgram(argv);
    EXPECT_EQ(failed.exit_code, 1);
    EXPECT_THAT(failed.out + failed.err, HasSubstr(bad.what));
  }
  // A second daemon on one state folder is told why it cannot.
  StartDaemon({});
  const CommandOutput second = RunProgram({"cairnd", "--root", directory_ / "root", "--addr",
                                           "unix://" + (directory_ / "second.sock")});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.out + second.err,
              AllOf(HasSubstr(directory_ / "root"), HasSubstr("held by another process")));
}

}  // namespace
}  // namespace cairn::e2e
