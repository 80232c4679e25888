#include "apart.h"

#include <fcntl.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

// Where clang counts how often each edge was taken: the whole section of this program.
extern "C" uint8_t __start___sancov_cntrs[];
extern "C" uint8_t __stop___sancov_cntrs[];

namespace canal_fuzz {

namespace {

constexpr size_t most_input = size_t{1} << 20;
constexpr int most_inputs = 5000;  // of one process: what the library loses stays small
constexpr time_t longest_run = 5;  // seconds that it computes: other work takes none of them
constexpr int most_frames = 5;     // of a stack, that tell one place from another
constexpr int failed = 99;

size_t counters() { return static_cast<size_t>(__stop___sancov_cntrs - __start___sancov_cntrs); }

[[noreturn]] void stop(const char* what) { throw std::runtime_error(what); }

// Memory that both processes see: the size of the input, the input, the counters.
class Shared {
 public:
  Shared() {
    void* at = mmap(nullptr, sizeof(size_t) + most_input + counters(), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) stop("no memory to share");
    size_ = static_cast<size_t*>(at);
    input_ = static_cast<char*>(at) + sizeof(size_t);
  }

  void hold(std::string_view input) {
    if (input.size() > most_input) stop("an input that is too long");
    *size_ = input.size();
    std::memcpy(input_, input.data(), input.size());
  }
  // A copy of its own size, so that a byte past its end is noticed.
  std::string input() const { return {input_, *size_}; }

  void store_counters() { std::memcpy(edges(), __start___sancov_cntrs, counters()); }
  void load_counters() const { std::memcpy(__start___sancov_cntrs, edges(), counters()); }

 private:
  uint8_t* edges() const { return reinterpret_cast<uint8_t*>(input_ + most_input); }

  size_t* size_;
  char* input_;
};

// SIGPROF after so many seconds; 0: none.
void set_clock(time_t seconds) {
  const itimerval clock{{0, 0}, {seconds, 0}};
  setitimer(ITIMER_PROF, &clock, nullptr);
}

[[noreturn]] void tell_and_leave(int signal) {
  std::fprintf(stderr, "%s\n", signal == SIGPROF ? "libFuzzer: timeout" : "a signal");
  __sanitizer_print_stack_trace();
  _exit(failed);
}

// What the process says goes to a file; it ends with the fuzzer, and by what the sanitizers do.
void become_worker(int said) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(said, STDERR_FILENO);
  __sanitizer_set_death_callback(nullptr);
  for (const int signal : {SIGPROF, SIGABRT}) std::signal(signal, tell_and_leave);
}

// Read or write one byte. libFuzzer's clock interrupts both.
template <class Transfer>
bool one_byte(Transfer transfer, int end, char& byte) {
  ssize_t moved = -1;
  do {
    moved = transfer(end, &byte, 1);
  } while (moved < 0 && errno == EINTR);
  return moved == 1;
}

[[noreturn]] void serve(Shared& shared, Work work, int requests, int answers) {
  char byte = 0;
  for (int i = 0; i < most_inputs && one_byte(read, requests, byte); ++i) {
    const std::string input = shared.input();
    std::memset(__start___sancov_cntrs, 0, counters());
    set_clock(longest_run);
    work(input);
    set_clock(0);
    shared.store_counters();
    byte = i + 1 == most_inputs ? 'l' : 'd';  // the last one, or done
    if (!one_byte(write, answers, byte)) break;
  }
  _exit(0);
}

class Worker {
 public:
  explicit Worker(Work work) : work_(work) {
    said_ = fileno(std::tmpfile());
    std::signal(SIGPIPE, SIG_IGN);  // a worker that is gone is noticed by its silence
  }

  // Whether the input was done; otherwise the process has died of it.
  bool run(std::string_view input) {
    if (process_ <= 0) begin();
    shared_.hold(input);
    char answer = 'r';
    if (one_byte(write, requests_, answer) && one_byte(read, answers_, answer)) {
      shared_.load_counters();
      if (answer == 'l') end();
      return true;
    }
    end();
    return false;
  }

  // What the process that has died last wrote.
  std::string said() const {
    std::string text(static_cast<size_t>(lseek(said_, 0, SEEK_END)), '\0');
    if (pread(said_, text.data(), text.size(), 0) < 0) stop("a file that cannot be read");
    return text;
  }

 private:
  void begin() {
    int down[2];
    int up[2];
    if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) stop("no pipe");
    if (ftruncate(said_, 0) != 0 || lseek(said_, 0, SEEK_SET) != 0) stop("a file that stays");
    process_ = fork();
    if (process_ < 0) stop("no process");
    if (process_ == 0) {
      close(down[1]);
      close(up[0]);
      become_worker(said_);
      serve(shared_, work_, down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    requests_ = down[1];
    answers_ = up[0];
  }

  void end() {
    close(requests_);
    close(answers_);
    waitpid(process_, nullptr, 0);
    process_ = 0;
  }

  Work work_;
  Shared shared_;
  int said_;
  int requests_ = -1;
  int answers_ = -1;
  pid_t process_ = 0;
};

// "module+offset" of the first frames, which is what a stack without names has: the same in each
// process, wherever it was loaded. What has no stack goes by what was said of it.
std::string place_of(const std::string& report) {
  std::istringstream lines(report);
  std::string line, place, summary;
  int frames = 0;
  while (frames < most_frames && std::getline(lines, line)) {
    const size_t open = line.find(" (/");
    if (line.find("    #") == 0 && open != std::string::npos) {
      place += line.substr(open);
      ++frames;
    } else if (line.find("SUMMARY") == 0) {
      summary = line;
    }
  }
  return frames > 0 ? place : summary;
}

class Kept {
 public:
  explicit Kept(std::string folder) : folder_(std::move(folder)) {}

  void add(const std::string& report, std::string_view input) {
    const auto found = places_.emplace(place_of(report), Place{places_.size() + 1, 0});
    Place& one = found.first->second;
    if (found.second) {
      const std::string path = folder_ + "/" + std::to_string(one.number);
      std::ofstream(path) << input;
      std::ofstream(path + ".report") << report;
    }
    ++one.times;
    std::ofstream counts(folder_ + "/counts");
    for (const auto& each : places_)
      counts << each.second.number << ' ' << each.second.times << '\n';
  }

 private:
  struct Place {
    size_t number;
    size_t times;
  };
  std::string folder_;
  std::map<std::string, Place> places_;
};

}  // namespace

void run_apart(std::string_view input, Work work, const std::string& folder) {
  static Worker worker(work);
  static Kept kept(folder);
  if (!worker.run(input)) kept.add(worker.said(), input);
}

}  // namespace canal_fuzz
