import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamReader;

/** Plain Java: the JDK's pull parser by hand, JSON by hand, no types and no checks. The port is the argument. */
public class StaxServer {
    static final XMLInputFactory FACTORY = XMLInputFactory.newFactory();

    public static void main(String[] arguments) throws Exception {
        FACTORY.setProperty(XMLInputFactory.SUPPORT_DTD, false);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 64);
        server.setExecutor(Executors.newFixedThreadPool(2));
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            byte[] answer;
            try {
                answer = answer(body);
            } catch (Exception broken) {
                answer = broken.toString().getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(500, answer.length);
                exchange.getResponseBody().write(answer);
                exchange.close();
                return;
            }
            exchange.getResponseHeaders().set("Content-Type", "text/xml; charset=utf-8");
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }

    static byte[] answer(byte[] body) throws Exception {
        XMLStreamReader reader = FACTORY.createXMLStreamReader(new ByteArrayInputStream(body));
        StringBuilder json = new StringBuilder(body.length);
        StringBuilder text = new StringBuilder();
        String operation = "";
        int depth = 0;
        boolean leaf = false;
        while (reader.hasNext()) {
            switch (reader.next()) {
                case XMLStreamConstants.START_ELEMENT:
                    depth++;
                    if (depth == 3) operation = reader.getLocalName();
                    if (depth >= 4) json.append(leaf ? "{" : "").append('"').append(reader.getLocalName()).append("\":");
                    leaf = true;
                    text.setLength(0);
                    break;
                case XMLStreamConstants.CHARACTERS:
                    text.append(reader.getText());
                    break;
                case XMLStreamConstants.END_ELEMENT:
                    if (leaf) quoted(json, text);
                    else json.append('}');
                    json.append(',');
                    leaf = false;
                    depth--;
                    break;
                default:
            }
        }
        byte[] platform = json.toString().getBytes(StandardCharsets.UTF_8);
        String msgid = platform.length > 0 ? "000000000000000000000000000000" : "";
        return ("<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body><" + operation
            + "Response xmlns=\"urn:yibao:gateway:v1\"><infcode>0</infcode><msgid>" + msgid + "</msgid></" + operation
            + "Response></Body></Envelope>").getBytes(StandardCharsets.UTF_8);
    }

    static void quoted(StringBuilder json, CharSequence text) {
        json.append('"');
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            if (character == '"' || character == '\\' || character < 32) json.append(String.format("\\u%04x", (int) character));
            else json.append(character);
        }
        json.append('"');
    }
}
