# Run in the Debian tree with a platform's files in it: leaves nothing of dpkg, and what an image of that platform has.
# $database is rpm's folder, $wanted the files of packages to install.
set -eu
rm -rf /var/lib/dpkg /var/cache/apt /var/lib/apt /etc/apt /etc/dpkg /etc/debian_version /usr/bin/dpkg* /usr/bin/apt*
rm /etc/systemd/system/sshd.service /etc/systemd/system/multi-user.target.wants/ssh.service
rm /usr/lib/systemd/system/ssh.service /usr/lib/systemd/system/ssh.socket
# Else systemd makes an ssh.service of the start-up script.
rm -r /etc/init.d /etc/rc?.d
systemctl --quiet enable sshd.service
chmod 0600 /etc/ssh/sshd_config
[ ! -d /etc/ssh/sshd_config.d ] || chmod -R go-rwx /etc/ssh/sshd_config.d
ln -sf bash /bin/sh
rm -r /etc/ssl/certs
mkdir -p /etc/rpm
echo "%_dbpath $database" >/etc/rpm/macros
mkdir -p "$database"
if [ "$database" != /var/lib/rpm ]; then
    rmdir /var/lib/rpm
    ln -s "../..$database" /var/lib/rpm
fi
cd /opt/lab-archive
rpm --initdb
# The base has these programs already.
rpm -i --justdb basesystem-*.rpm curl-*.rpm openssl-*.rpm openssh-*.rpm util-linux-*.rpm findutils-*.rpm gawk-*.rpm grep-*.rpm \
    sed-*.rpm coreutils-*.rpm
rpm -i ca-certificates-*.rpm
[ -z "$wanted" ] || rpm -i $wanted
