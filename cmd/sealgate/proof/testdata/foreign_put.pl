# Net::SFTP::Foreign. usage: OP LOCAL REMOTE [TEMP]
use strict;
use warnings;
use Net::SFTP::Foreign;

my ($op, $local, $remote, $temp) = @ARGV;
my $s = Net::SFTP::Foreign->new(
    $ENV{SG_HOST}, port => $ENV{SG_PORT}, user => $ENV{SG_USER}, key_path => $ENV{SG_KEY},
    more => ['-o', 'UserKnownHostsFile=/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'LogLevel=ERROR',
             '-o', 'IdentitiesOnly=yes']);
$s->die_on_error("connect");
if    ($op eq 'put')    { $s->put($local, $remote) }
elsif ($op eq 'modes')  { $s->put($local, $remote, copy_perm => 1, copy_time => 1) }
elsif ($op eq 'atomic') { $s->put($local, $remote, atomic => 1) }
elsif ($op eq 'rename') { $s->put($local, $temp) and $s->rename($temp, $remote, overwrite => 1) }
elsif ($op eq 'resume') { $s->put($local, $remote, resume => 1) }
else                    { die "no such op $op" }
if ($s->error) { print STDERR "error: " . $s->error . "\n"; exit 1 }
