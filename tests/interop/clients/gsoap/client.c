/* The story of README.md told by gSOAP: client BASE SOAP DAY  A(psn certno insutype ipt)  B(...)
   soapcpp2 writes an underscore of a name as _USCORE. */
#include "soapH.h"
#include "client.nsmap"
#include <stdarg.h>

#define ROWS 500
typedef struct _ns1__Txn2401 Admission;
typedef struct _ns1__Txn2301 Fees;
enum { PSN_NO, CERTNO, INSUTYPE, IPT_NO };

static struct soap *soap;
static const char *base, *day;

static char *text(const char *format, ...) {
    char buffer[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    return soap_strdup(soap, buffer);
}

static void *cleared(size_t size) { return memset(soap_malloc(soap, size), 0, size); }

static void give_up(const char *where, const char *why) {
    fprintf(stderr, "%s: %s\n", where, why ? why : "?");
    exit(1);
}

static void answered(const char *where, int status, const char *infcode, const char *err_msg) {
    if (status != SOAP_OK) {
        soap_print_fault(soap, stderr);
        give_up(where, "no answer");
    }
    if (!infcode || strcmp(infcode, "0")) give_up(where, err_msg);
}

static char *yuan(long cents) { return text("%ld.%02ld", cents / 100, cents % 100); }

static long cents(const char *amount) {
    double value = amount ? atof(amount) : 0;
    return (long)(value * 100 + (value < 0 ? -0.5 : 0.5));
}

static long price_of(int i) { return 105 + 37L * i; }
static int count_of(int i) { return 1 + i % 4; }

static void diagnose(struct _ns1__Txn2401_diseinfo *row, char **patient, int number, char *code, char *name) {
    row->psn_USCOREno = patient[PSN_NO];
    row->diag_USCOREtype = "1";
    row->maindiag_USCOREflag = number == 1 ? "1" : "0";
    row->diag_USCOREsrt_USCOREno = text("%d", number);
    row->diag_USCOREcode = code;
    row->diag_USCOREname = name;
    row->diag_USCOREdept = "A01";
    row->dise_USCOREdor_USCOREno = "D001";
    row->dise_USCOREdor_USCOREname = "欧阳修远";
    row->diag_USCOREtime = text("%s 09:40:00", day);
}

static struct _ns1__Txn2401_mdtrtinfo *visit(char **patient) {
    struct _ns1__Txn2401_mdtrtinfo *node = cleared(sizeof *node);
    node->psn_USCOREno = patient[PSN_NO];
    node->insutype = patient[INSUTYPE];
    node->coner_USCOREname = "李四";
    node->tel = "13800000000";
    node->begntime = text("%s 09:30:00", day);
    node->mdtrt_USCOREcert_USCOREtype = "02";
    node->mdtrt_USCOREcert_USCOREno = patient[CERTNO];
    node->med_USCOREtype = "21";
    node->ipt_USCOREno = patient[IPT_NO];
    node->atddr_USCOREno = "D001";
    node->chfpdr_USCOREname = "欧阳修远";
    node->adm_USCOREdiag_USCOREdscr = "急性阑尾炎";
    node->adm_USCOREdept_USCOREcodg = "A01";
    node->adm_USCOREdept_USCOREname = "普通外科";
    node->adm_USCOREbed = "12床";
    node->dscg_USCOREmaindiag_USCOREcode = "K35.800";
    node->dscg_USCOREmaindiag_USCOREname = "急性阑尾炎";
    return node;
}

static Admission *admission(char **patient) {
    Admission *request = cleared(sizeof *request);
    request->head = cleared(sizeof *request->head);
    request->head->opter = "0001";
    request->head->opter_USCOREname = "张三";
    request->head->opter_USCOREtype = "1";
    request->mdtrtinfo = visit(patient);
    request->__sizediseinfo = 2;
    request->diseinfo = cleared(2 * sizeof *request->diseinfo);
    diagnose(&request->diseinfo[0], patient, 1, "K35.800", "急性阑尾炎");
    diagnose(&request->diseinfo[1], patient, 2, "I10.x00", "高血压病（２级）");
    return request;
}

static void charge(struct _ns1__Txn2301_feedetail *row, char **patient, char *stay, int i) {
    row->feedetl_USCOREsn = text("%s-%03d", patient[IPT_NO], i);
    row->mdtrt_USCOREid = stay;
    row->psn_USCOREno = patient[PSN_NO];
    row->med_USCOREtype = "21";
    row->fee_USCOREocur_USCOREtime = text("%s 10:%02d:%02d", day, i / 60, i % 60);
    row->med_USCORElist_USCOREcodg = "XA02BCA001A001010101";
    row->medins_USCORElist_USCOREcodg = text("YP%d", i);
    row->det_USCOREitem_USCOREfee_USCOREsumamt = yuan(count_of(i) * price_of(i));
    row->cnt = text("%d", count_of(i));
    row->pric = yuan(price_of(i));
    row->bilg_USCOREdept_USCOREcodg = "A01";
    row->bilg_USCOREdept_USCOREname = "普通外科";
    row->bilg_USCOREdr_USCOREcodg = "D001";
    row->bilg_USCOREdr_USCOREname = "欧阳修远";
    row->memo = text("阿莫西林胶囊（０．２５ｇ×２４粒）第%d行", i);
}

static Fees *fees(char **patient, char *stay) {
    Fees *request = cleared(sizeof *request);
    request->__sizefeedetail = ROWS;
    request->feedetail = cleared(ROWS * sizeof *request->feedetail);
    for (int i = 0; i < ROWS; i++) charge(&request->feedetail[i], patient, stay, i + 1);
    return request;
}

static void tell(const char *name, const char *stay, int rows, long sum) {
    printf("\"%s\":{\"mdtrt_id\":\"%s\",\"rows\":%d,\"sum\":\"%s\"},", name, stay, rows, yuan(sum));
}

static void typed(char **patient) {
    char *url = text("%s/soap/inpatient", base);
    struct _ns1__Txn2401Response stay = {0};
    struct _ns1__Txn2301Response answer = {0};
    long sum = 0;
    int status = soap_call___ns1__Txn2401(soap, url, NULL, admission(patient), &stay);
    answered("2401", status, stay.infcode, stay.err_USCOREmsg);
    char *id = stay.output->result->mdtrt_USCOREid;
    status = soap_call___ns1__Txn2301(soap, url, NULL, fees(patient, id), &answer);
    answered("2301", status, answer.infcode, answer.err_USCOREmsg);
    for (int i = 0; i < answer.output->__sizeresult; i++) sum += cents(answer.output->result[i].det_USCOREitem_USCOREfee_USCOREsumamt);
    tell("typed", id, answer.output->__sizeresult, sum);
}

static char *exchange(char *infno, char *input) {
    struct _ns1__Call request = {infno, NULL};
    struct _ns1__CallResponse answer = {0};
    size_t size = strlen(input) + 256;
    request.request = soap_malloc(soap, size);
    snprintf(request.request, size, "<request><head><opter>0001</opter><opter_name>张三</opter_name><opter_type>1</opter_type></head>"
             "<input>%s</input></request>", input);
    int status = soap_call___ns1__Call(soap, text("%s/soap/exchange", base), NULL, &request, &answer);
    int fine = status == SOAP_OK && strstr(answer.CallResult, "<infcode>0</infcode>");
    answered(infno, status, fine ? "0" : "-1", answer.CallResult);
    return answer.CallResult;
}

/* the text of the first <tag> at or after *at, which moves behind it; NULL when there is none */
static char *next(char **at, const char *tag) {
    char *start = strstr(*at, text("<%s>", tag)), *end;
    if (!start) return NULL;
    start += strlen(tag) + 2;
    end = strchr(start, '<');
    *at = end;
    return text("%.*s", (int)(end - start), start);
}

static char *diagnosis_xml(char **patient, int number, const char *code, const char *name) {
    return text("<diseinfo><psn_no>%s</psn_no><diag_type>1</diag_type><maindiag_flag>%d</maindiag_flag><diag_srt_no>%d</diag_srt_no>"
                "<diag_code>%s</diag_code><diag_name>%s</diag_name><diag_dept>A01</diag_dept><dise_dor_no>D001</dise_dor_no>"
                "<dise_dor_name>欧阳修远</dise_dor_name><diag_time>%s 09:40:00</diag_time></diseinfo>",
                patient[PSN_NO], number == 1, number, code, name, day);
}

static char *admission_xml(char **patient) {
    char *input = soap_malloc(soap, 4096);
    snprintf(input, 4096,
             "<mdtrtinfo><psn_no>%s</psn_no><insutype>%s</insutype><coner_name>李四</coner_name><tel>13800000000</tel>"
             "<begntime>%s 09:30:00</begntime><mdtrt_cert_type>02</mdtrt_cert_type><mdtrt_cert_no>%s</mdtrt_cert_no>"
             "<med_type>21</med_type><ipt_no>%s</ipt_no><atddr_no>D001</atddr_no><chfpdr_name>欧阳修远</chfpdr_name>"
             "<adm_diag_dscr>急性阑尾炎</adm_diag_dscr><adm_dept_codg>A01</adm_dept_codg><adm_dept_name>普通外科</adm_dept_name>"
             "<adm_bed>12床</adm_bed><dscg_maindiag_code>K35.800</dscg_maindiag_code>"
             "<dscg_maindiag_name>急性阑尾炎</dscg_maindiag_name></mdtrtinfo>%s%s",
             patient[PSN_NO], patient[INSUTYPE], day, patient[CERTNO], patient[IPT_NO],
             diagnosis_xml(patient, 1, "K35.800", "急性阑尾炎"), diagnosis_xml(patient, 2, "I10.x00", "高血压病（２级）"));
    return input;
}

static char *fees_xml(char **patient, const char *stay) {
    char *input = soap_malloc(soap, ROWS * 1024), *at = input;
    for (int i = 1; i <= ROWS; i++)
        at += snprintf(at, 1024,
                       "<feedetail><feedetl_sn>%s-%03d</feedetl_sn><mdtrt_id>%s</mdtrt_id><psn_no>%s</psn_no><med_type>21</med_type>"
                       "<fee_ocur_time>%s 10:%02d:%02d</fee_ocur_time><med_list_codg>XA02BCA001A001010101</med_list_codg>"
                       "<medins_list_codg>YP%d</medins_list_codg><det_item_fee_sumamt>%s</det_item_fee_sumamt><cnt>%d</cnt>"
                       "<pric>%s</pric><bilg_dept_codg>A01</bilg_dept_codg><bilg_dept_name>普通外科</bilg_dept_name>"
                       "<bilg_dr_codg>D001</bilg_dr_codg><bilg_dr_name>欧阳修远</bilg_dr_name>"
                       "<memo>阿莫西林胶囊（０．２５ｇ×２４粒）第%d行</memo></feedetail>",
                       patient[IPT_NO], i, stay, patient[PSN_NO], day, i / 60, i % 60, i, yuan(count_of(i) * price_of(i)),
                       count_of(i), yuan(price_of(i)), i);
    return input;
}

static void in_text(char **patient) {
    char *admitted = exchange("2401", admission_xml(patient)), *stay = next(&admitted, "mdtrt_id");
    char *answer = exchange("2301", fees_xml(patient, stay)), *amount;
    int rows = 0;
    long sum = 0;
    for (; (amount = next(&answer, "det_item_fee_sumamt")); rows++) sum += cents(amount);
    tell("string", stay, rows, sum);
}

static void refusal(char **patient) {
    Admission *request = admission(patient);
    struct _ns1__Txn2401Response reply = {0};
    request->mdtrtinfo->atddr_USCOREno = NULL;
    if (soap_call___ns1__Txn2401(soap, text("%s/soap/inpatient", base), NULL, request, &reply)) give_up("refusal", "no answer");
    printf("\"refusal\":{\"infcode\":\"%s\",\"code\":\"%s\",\"retry\":\"%s\",\"text\":\"%s\",\"fields\":[", reply.infcode, reply.code,
           reply.retry, reply.err_USCOREmsg);
    for (int i = 0; i < reply.__sizeproblem; i++) printf("%s\"%s\"", i ? "," : "", reply.problem[i].field);
    printf("]},");
}

static void fault(void) {
    struct _ns1__Call request = {"2401", "<request/>"};
    struct _ns1__CallResponse answer = {0};
    soap->userid = "demo";
    soap->passwd = "wrong";
    if (!soap_call___ns1__Call(soap, text("%s/soap/exchange", base), NULL, &request, &answer)) give_up("fault", "there was none");
    const char *detail = soap_fault_detail(soap);
    printf("\"faults\":{\"password\":{\"faultcode\":\"%s\",\"text\":\"%s\",\"detail\":\"", *soap_faultcode(soap), *soap_faultstring(soap));
    for (; detail && *detail; detail++) printf(*detail == '"' || *detail == '\\' || *detail < ' ' && *detail >= 0 ? "'" : "%c", *detail);
    printf("\"}}");
}

/* Debian's soapcpp2 makes SOAP 1.2 the default whatever the WSDL says; the envelope's namespace decides */
static void speak(const char *version) {
    if (!strcmp(version, "1.1")) {
        namespaces[0].ns = "http://schemas.xmlsoap.org/soap/envelope/";
        namespaces[1].ns = "http://schemas.xmlsoap.org/soap/encoding/";
    }
    soap_set_namespaces(soap, namespaces);
}

int main(int count, char **arguments) {
    if (count != 12) give_up("usage", "client BASE SOAP DAY A(psn certno insutype ipt) B(psn certno insutype ipt)");
    base = arguments[1];
    day = arguments[3];
    soap = soap_new1(SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE);
    speak(arguments[2]);
    soap->connect_timeout = 10;
    soap->recv_timeout = soap->send_timeout = 60;
    printf("{");
    typed(arguments + 4);
    in_text(arguments + 8);
    refusal(arguments + 4);
    fault();
    printf("}\n");
    return 0;
}
