// 入院办理（2401），文本服务，只用 JDK（11 以上），不需要生成代码：
//   javac -encoding UTF-8 Admit.java
//   java Admit http://127.0.0.1:8080 人员编号 证件号码 险种类型 住院号 "2026-11-20 09:30:00"
// 成功时打印就诊ID；内容不变时再执行一次，得到同一个就诊ID，不会重复办理。
// 退出码：0 成功，2 被拒绝（内容或平台），3 SOAP Fault（信封、身份），4 没有答复（结果未知）。
// 有 JAX-WS 的项目也可以 wsimport http://127.0.0.1:8080/soap/inpatient?wsdl 后调用 txn2401。
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;

public class Admit {
    static final String NAMESPACE = "urn:yibao:gateway:v1";
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static final PrintStream ERR = new PrintStream(System.err, true, StandardCharsets.UTF_8);

    static String xml(String name, String text) {
        return "<" + name + ">" + escape(text) + "</" + name + ">";
    }

    static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    static String request(String psnNo, String certno, String insutype, String iptNo, String begntime) {
        // request_id 由 HIS 生成并先存库：没有答复时，以同一 request_id 原样再发，不会重复办理
        String head = xml("opter", "0001") + xml("opter_name", "张三") + xml("opter_type", "1") + xml("request_id", "2401-" + iptNo);
        String visit = xml("psn_no", psnNo) + xml("insutype", insutype) + xml("begntime", begntime) + xml("mdtrt_cert_type", "02")
            + xml("mdtrt_cert_no", certno) + xml("med_type", "21") + xml("ipt_no", iptNo) + xml("atddr_no", "D001")
            + xml("chfpdr_name", "欧阳修远") + xml("adm_diag_dscr", "急性阑尾炎") + xml("adm_dept_codg", "A01")
            + xml("adm_dept_name", "普通外科") + xml("adm_bed", "12床") + xml("dscg_maindiag_code", "K35.800")
            + xml("dscg_maindiag_name", "急性阑尾炎");
        // 重复节点就是重复的元素
        String diagnosis = xml("psn_no", psnNo) + xml("diag_type", "1") + xml("maindiag_flag", "1") + xml("diag_srt_no", "1")
            + xml("diag_code", "K35.800") + xml("diag_name", "急性阑尾炎") + xml("diag_dept", "A01") + xml("dise_dor_no", "D001")
            + xml("dise_dor_name", "欧阳修远") + xml("diag_time", begntime);
        return "<request><head>" + head + "</head><input><mdtrtinfo>" + visit + "</mdtrtinfo><diseinfo>" + diagnosis
            + "</diseinfo></input></request>";
    }

    static String envelope(String infno, String request) {
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">"
            + "<soap:Body><Call xmlns=\"" + NAMESPACE + "\">" + xml("infno", infno) + xml("request", request)
            + "</Call></soap:Body></soap:Envelope>";
    }

    static Document read(InputSource source) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        DocumentBuilder builder = factory.newDocumentBuilder();
        builder.setErrorHandler(null);  // 错误由调用处说明，不另印
        return builder.parse(source);
    }

    static String text(Document document, String name) {
        NodeList found = document.getElementsByTagNameNS("*", name);
        return found.getLength() == 0 ? "" : found.item(0).getTextContent();
    }

    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
        HttpRequest post = HttpRequest.newBuilder(URI.create(args[0] + "/soap/exchange"))
            .timeout(Duration.ofSeconds(90))
            .header("Content-Type", "text/xml; charset=utf-8")
            .header("SOAPAction", "\"" + NAMESPACE + "/Call\"")
            .POST(HttpRequest.BodyPublishers.ofString(envelope("2401", request(args[1], args[2], args[3], args[4], args[5]))))
            .build();
        System.exit(outcome(client, post));
    }

    static int outcome(HttpClient client, HttpRequest post) throws Exception {
        Document answer;
        try {
            byte[] body = client.send(post, HttpResponse.BodyHandlers.ofByteArray()).body();
            answer = read(new InputSource(new ByteArrayInputStream(body)));
        } catch (IOException | SAXException error) {
            // 没有答复，或答复的不是网关
            ERR.println("没有答复，请以同一 request_id 原样再发：" + error);
            return 4;
        }
        if (answer.getElementsByTagNameNS("*", "Fault").getLength() > 0) {
            ERR.println("SOAP Fault：" + text(answer, "faultstring"));
            return 3;
        }
        Document response = read(new InputSource(new StringReader(text(answer, "CallResult"))));
        if (!text(response, "infcode").equals("0")) {
            ERR.println(text(response, "code") + " " + text(response, "err_msg") + "（重试：" + text(response, "retry") + "）");
            return 2;
        }
        OUT.println(text(response, "mdtrt_id"));
        return 0;
    }
}
