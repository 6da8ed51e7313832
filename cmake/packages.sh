# Sourced by the set-up scripts: install_packages NAME..., which does nothing where all of them are there.
install_packages() {
  local missing=() root=() package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "setup: as root, run: apt-get install ${missing[*]}" >&2; return 1; }
    root=(sudo)
  fi
  echo "setup: installing ${#missing[@]} Debian packages (${missing[*]})"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
