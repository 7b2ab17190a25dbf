// Opens sealed files with BouncyCastle: arguments are FILE OUT KEY.pem..., with as many keys as there are envelopes, and "--" before the
// next file. It is run from its source, with bcpkix, bcprov and bcutil on the class path; TestBouncyCastleOpens does.

import java.io.FileReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.Security;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;

public class Open {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (int from = 0, to; from < args.length; from = to + 1) {
            for (to = from; to < args.length && !args[to].equals("--"); to++) {}
            byte[] content = Files.readAllBytes(Path.of(args[from]));
            for (int i = from + 2; i < to; i++) {
                content = open(content, key(args[i]));
            }
            Files.write(Path.of(args[from + 1]), content);
        }
    }

    static PrivateKey key(String path) throws Exception {
        try (PEMParser pem = new PEMParser(new FileReader(path))) {
            return new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) pem.readObject());
        }
    }

    // One of several recipients is this key's; which one is found by trying them.
    static byte[] open(byte[] file, PrivateKey key) throws Exception {
        Recipient recipient = key.getAlgorithm().equals("RSA")
            ? new JceKeyTransAuthEnvelopedRecipient(key).setProvider("BC")
            : new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
        CMSException last = null;
        for (RecipientInformation r : new CMSAuthEnvelopedData(file).getRecipientInfos()) {
            try {
                return r.getContent(recipient);
            } catch (CMSException e) {
                last = e;
            }
        }
        throw last;
    }
}
