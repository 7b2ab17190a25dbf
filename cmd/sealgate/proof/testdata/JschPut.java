import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;

/** JSch. usage: OP LOCAL REMOTE [TEMP] */
public class JschPut {
    public static void main(String[] a) throws Exception {
        Session s = new JSch().getSession(System.getenv("SG_USER"), System.getenv("SG_HOST"),
                Integer.parseInt(System.getenv("SG_PORT")));
        s.setPassword(System.getenv("SG_PASS"));
        s.setConfig("StrictHostKeyChecking", "no");
        int code = 0;
        try {
            s.connect(20000);
            ChannelSftp c = (ChannelSftp) s.openChannel("sftp");
            c.connect(20000);
            switch (a[0]) {
                case "put": c.put(a[1], a[2]); break;
                case "modes":
                    c.put(a[1], a[2]);
                    c.setMtime(a[2], 1600000000);
                    c.chmod(0640, a[2]);
                    break;
                case "rename3":
                    c.put(a[1], a[3]);
                    c.rename(a[3], a[2]);
                    break;
                case "resume": c.put(a[1], a[2], ChannelSftp.RESUME); break;
                default: throw new Exception("no such op " + a[0]);
            }
        } catch (Exception e) {
            System.err.println(e + (e.getCause() == null ? "" : " / " + e.getCause()));
            code = 1;
        }
        s.disconnect();
        System.exit(code);
    }
}
