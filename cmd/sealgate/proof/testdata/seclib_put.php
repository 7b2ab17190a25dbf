<?php
// phpseclib 3. usage: OP LOCAL REMOTE [TEMP]
foreach (['/usr/share/php/phpseclib3/autoload.php', '/usr/share/php/phpseclib/autoload.php'] as $f) {
    if (is_file($f)) { require_once $f; break; }
}
use phpseclib3\Net\SFTP;

[, $op, $local, $remote] = $argv;
$s = new SFTP(getenv('SG_HOST'), (int) getenv('SG_PORT'));
if (!$s->login(getenv('SG_USER'), getenv('SG_PASS'))) { fwrite(STDERR, "login failed\n"); exit(3); }
switch ($op) {
    case 'put':
        $ok = $s->put($remote, $local, SFTP::SOURCE_LOCAL_FILE);
        break;
    case 'modes':
        $ok = $s->put($remote, $local, SFTP::SOURCE_LOCAL_FILE) && $s->touch($remote, 1600000000, 1600000000)
            && $s->chmod(0640, $remote) !== false;
        break;
    case 'rename3':
        $ok = $s->put($argv[4], $local, SFTP::SOURCE_LOCAL_FILE) && $s->rename($argv[4], $remote);
        break;
    case 'resume':
        $at = $s->filesize($remote);
        $ok = $s->put($remote, $local, SFTP::SOURCE_LOCAL_FILE | SFTP::RESUME, -1, $at);
        break;
    case 'resume-blind': // without $local_start it appends the whole file again
        $ok = $s->put($remote, $local, SFTP::SOURCE_LOCAL_FILE | SFTP::RESUME);
        break;
    default:
        fwrite(STDERR, "no such op $op\n");
        exit(3);
}
if (!$ok) { fwrite(STDERR, "false; " . implode(' | ', $s->getSFTPErrors()) . "\n"); exit(1); }
