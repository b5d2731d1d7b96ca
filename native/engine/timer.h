// Adds the time of a scope to an entry of a profile.
#pragma once
#include <chrono>
#include <map>
#include <string>

namespace ft {

struct Timer {
  Timer(std::map<std::string, double>& profile, const char* name)
      : profile_(profile), name_(name), t0_(std::chrono::steady_clock::now()) {}
  ~Timer() { profile_[name_] += std::chrono::duration<double>(std::chrono::steady_clock::now() - t0_).count(); }
  std::map<std::string, double>& profile_;
  const char* name_;
  std::chrono::steady_clock::time_point t0_;
};

}  // namespace ft
